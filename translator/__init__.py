"""The course's translator: corpora, vocabulary, and what a figure with Chinese labels needs.

`synthetic` is the embedded Chinese→English corpus of the chapters, `vocabulary` turns its tokens into ids and padded
batches, and `fonts` lets matplotlib write Chinese. The models are not here: the chapters build them
(`autograder.reference`).
"""
