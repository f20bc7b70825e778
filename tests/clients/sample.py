"""What the frameworks are given to reward."""

QUESTION = "How many clips did Natalia sell?"
RESPONSE = "In May she sold 48 / 2 = 24 clips.\n\nIn all she sold 48 + 24 = 72 clips.\n\nThe answer is 72."
