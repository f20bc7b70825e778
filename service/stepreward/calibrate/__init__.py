"""Calibration of retsp from labelled steps: collect their scores, fit, measure, draw."""
