"""The worked example of all chapters: 我 想 吃 汉堡 ("I want to eat a hamburger"), with numbers for the hand.

The numbers are chosen, not trained: two entries a word and one decimal, so that a reader can follow them with a pencil.
"""

import numpy as np

TOKENS = ["我", "想", "吃", "汉堡"]  # I, want, eat, hamburger: m = 4

X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]])  # [m, d_in], one embedding a row
W_x = np.array([[0.5, -0.5], [0.5, 0.5]])  # [d_in, d_h]
W_h = np.array([[0.8, 0.4], [-0.4, 0.8]])  # [d_h, d_h]
b = np.array([0.1, 0.0])  # [d_h]
