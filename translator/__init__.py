"""The course's translator: its corpora, vocabulary and figures, and in the last chapter the program that trains and runs it.

`synthetic` is the embedded Chinese→English corpus of the chapters, `vocabulary` turns its tokens into ids and batches, and
`fonts` lets figures show Chinese. The model itself is not here: it is built in the chapters (`autograder.reference`).
"""
