"""What each message of a run is and what its receiver can learn from it, in words for people.

The protocols' own tables stand in the docstrings of `participants/`; `models/wire/` has the messages field by field.
"""

from dataclasses import dataclass
from typing import Final

from models.wire.online import OnlineStep
from models.wire.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in words: what it holds, and what its receiver can learn from it."""

    holds: str
    learns: str


NOTHING: Final = "Nothing."
SIZES: Final = "Nothing beyond sizes that it knows already."
_AGREED: Final = Message(holds="“Done”", learns=NOTHING)
_PLAN: Final = Message(holds="The plan of the run", learns="What is to be trained, with whom and how. Public.")
_PAPERS: Final = Message(
    holds="Everybody’s signed identity papers, the banks’ public keys",
    learns="Who takes part. Checked against fingerprints compared beforehand.",
)
_CUT: Final = Message(holds="“Cut your features into bins”", learns=NOTHING)
_MANIFEST: Final = Message(
    holds="The finished model’s manifest", learns="Each block’s fingerprint and size, the model’s quality. Public."
)

TO_BUREAU: Final[dict[str, Message]] = {
    Step.JOIN: Message(
        holds="Signed identity papers, the banks’ public keys",
        learns="Who takes part; the names of the features that banks share.",
    ),
    Step.MEET: Message(
        holds="The banks’ enterprise ids, blinded; the banks’ common key, sealed",
        learns="How many enterprises each bank brings. Not which.",
    ),
    Step.ANSWER_BLINDED: Message(
        holds="The departments’ answers to the blinded ids, sealed to each bank",
        learns="From the length: how many enterprises each department holds.",
    ),
    Step.ORDER_COHORT: Message(
        holds="Each cohort’s order, sealed to each department",
        learns="From the length: how many of a bank’s enterprises a department holds.",
    ),
    Step.TAKE_COHORT: _AGREED,
    Step.BIN_DEPARTMENT: Message(holds="The size of each block", learns="How many parameters each department has."),
    Step.BIN_BANK: Message(holds="The banks’ histograms, masked", learns=SIZES),
    Step.CURVE_BANK: Message(holds="The banks’ totals, masked", learns=SIZES),
    Step.BEGIN: Message(
        holds="Each bank’s first residuals, encrypted; settings sealed to each department",
        learns="How many rows each bank has.",
    ),
    Step.GRADIENT: Message(
        holds="Inner products of columns and residuals, encrypted, flooded and masked", learns=SIZES
    ),
    Step.OPEN: Message(holds="The opened products, still under each department’s mask", learns=SIZES),
    Step.DIRECTION: Message(holds="Each department’s step for every enterprise, masked", learns=SIZES),
    Step.SEARCH: Message(
        holds="The banks’ statistics, masked; at a round’s end the next residuals, encrypted",
        learns="The objective and the AUC after the round. Public.",
    ),
    Step.NEWTON: Message(
        holds="The banks’ statistics, masked; at a round’s end the next residuals, encrypted",
        learns="The objective and the AUC after the round. Public.",
    ),
    Step.EVALUATE: Message(holds="Counts of scores by outcome, masked", learns=SIZES),
    Step.CONCLUDE: Message(holds="The model’s quality over all banks", learns="The figures of this report. Public."),
    Step.FINISH: Message(holds="Each block’s fingerprint and size", learns="How far each block moves scores. Public."),
    Step.ACTIVATE: _AGREED,
    Step.ASK_SCORES: Message(
        holds="Whom a bank asks about, sealed to each department", learns="How many scores the bank wants. Not whose."
    ),
    Step.GIVE_PARTIALS: Message(holds="Partial scores, masked and then encrypted", learns=SIZES),
    Step.OPEN_SCORES: Message(holds="“Opened”, and how many", learns="How many scores the bank now has."),
    OnlineStep.OFFER: Message(holds="“Who would answer?”", learns="That a bank is about to ask."),
    OnlineStep.ASK: Message(
        holds="A bank’s signed request for one score, the enterprise sealed to each department",
        learns="Which bank asks, when and by which model. Not about whom.",
    ),
    OnlineStep.RELAY: Message(
        holds="Each department’s part of one score, masked and then encrypted", learns="Who answered."
    ),
}

TO_DEPARTMENT: Final[dict[str, Message]] = {
    Step.JOIN: _PLAN,
    Step.MEET: _PAPERS,
    Step.ANSWER_BLINDED: Message(
        holds="The banks’ enterprise ids, blinded", learns="How many enterprises each bank brings. Not which."
    ),
    Step.TAKE_COHORT: Message(
        holds="Which rows of each cohort are its own enterprises",
        learns="Which of its own enterprises are in a cohort. Not who repaid, and nobody that it does not hold.",
    ),
    Step.BIN_DEPARTMENT: _CUT,
    Step.GRADIENT: Message(
        holds="The banks’ residuals, encrypted; the last round’s coefficients",
        learns="The overall default rate, the number of training rows, its own block as it stands.",
    ),
    Step.DIRECTION: Message(
        holds="Its inner products, opened by the banks",
        learns="Its own gradient, summed over the banks: in the first round, how many defaulted in each of its bins.",
    ),
    Step.FINISH: Message(holds="The last coefficients, sealed", learns="Its own finished block."),
    Step.ACTIVATE: _MANIFEST,
    Step.GIVE_PARTIALS: Message(
        holds="Whom a bank asks about, sealed",
        learns="Which enterprises the bank wants scores of, those too that it does not hold.",
    ),
    OnlineStep.RELAY: Message(
        holds="A bank’s signed request for one score", learns="Which bank asks about which enterprise."
    ),
}

TO_BANK: Final[dict[str, Message]] = {
    Step.JOIN: _PLAN,
    Step.MEET: _PAPERS,
    Step.ORDER_COHORT: Message(
        holds="The departments’ answers to its blinded ids",
        learns="Which of its own enterprises each department holds, and how many that department holds in all.",
    ),
    Step.BIN_BANK: _CUT,
    Step.CURVE_BANK: Message(
        holds="Sums of the banks’ histograms",
        learns="How the banks’ shared features are spread, over all banks. Of two banks, each learns the other’s part.",
    ),
    Step.BEGIN: Message(
        holds="Sums of the banks’ totals", learns="The default rate and the shared features’ totals over all banks."
    ),
    Step.OPEN: Message(
        holds="Encrypted inner products under its key",
        learns="Uniform numbers: the department’s mask is still on them.",
    ),
    Step.SEARCH: Message(
        holds="The departments’ steps, summed",
        learns="One number an enterprise of its own: the sum over all departments. Never one department’s.",
    ),
    Step.NEWTON: Message(
        holds="The banks’ statistics, summed",
        learns="A few sums over all banks. Of two banks, each learns the other’s part.",
    ),
    Step.EVALUATE: Message(holds="“Count your scores by outcome”", learns=NOTHING),
    Step.CONCLUDE: Message(
        holds="Counts of scores, summed",
        learns="Scores by outcome over all banks. Of two banks, each learns the other’s counts.",
    ),
    Step.FINISH: Message(holds="“Keep your block”", learns=NOTHING),
    Step.ACTIVATE: _MANIFEST,
    Step.ASK_SCORES: Message(holds="“Whom do you ask about?”", learns=NOTHING),
    Step.OPEN_SCORES: Message(
        holds="Sums of encrypted partial scores",
        learns="The scores it asked for. Never one department’s part of them.",
    ),
    OnlineStep.OFFER: Message(holds="The departments that would answer", learns="Who is up."),
    OnlineStep.ASK: Message(
        holds="The product of all encrypted parts of one score",
        learns="The score it asked for. Never one department’s part of it.",
    ),
}
