"""The steps of a run, in the order in which the bureau conducts them, and the purposes of masks."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """What the bureau asks a participant to do. The value is the message's kind on the wire."""

    # Who takes part.
    JOIN = "join"  # everybody: the plan; answered with the signed participant document
    MEET = "meet"  # everybody: the documents of all; banks answer with blinded enterprise ids
    # Alignment.
    ANSWER_BLINDED = "answer-blinded"  # departments: blinded ids in, keyed values out
    ORDER_COHORT = "order-cohort"  # banks: keyed values in, a sealed order for each department out
    TAKE_COHORT = "take-cohort"  # departments
    # Binning.
    BIN_DEPARTMENT = "bin-department"
    BIN_BANK = "bin-bank"  # masked histograms of the features that banks share
    CURVE_BANK = "curve-bank"  # the histograms' sum in, masked curvature and totals out
    # Training: one round is GRADIENT, OPEN, DIRECTION, SEARCH and, with several banks, a few NEWTON.
    BEGIN = "begin"
    GRADIENT = "gradient"
    OPEN = "open"
    DIRECTION = "direction"
    SEARCH = "search"
    NEWTON = "newton"
    # What came of it.
    EVALUATE = "evaluate"
    CONCLUDE = "conclude"
    FINISH = "finish"
    ACTIVATE = "activate"
    # Scores of many.
    ASK_SCORES = "ask-scores"
    GIVE_PARTIALS = "give-partials"
    OPEN_SCORES = "open-scores"


class Purpose(StrEnum):
    """What a mask is for; part of its context."""

    IMAGE = "image"  # direction images and penalty products, for one bank
    OPENED = "opened"  # decrypted products, among banks, for one department
    HISTOGRAM = "histogram"  # counts of the banks' features, among banks
    CURVATURE = "curvature"  # curvature of the bank block and totals, among banks
    BANK_GRADIENT = "bank-gradient"  # gradient of the bank block, among banks
    STATISTICS = "statistics"  # restricted objective, among banks
    EVALUATION = "evaluation"  # score histograms by label, among banks
    PARTIALS = "partials"  # partial scores, among departments
    ONLINE = "online"  # one enterprise's partial score, among departments
    ONLINE_REASONS = "online-reasons"  # its points lost by reason family, among departments
