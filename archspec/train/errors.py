"""What the trainer tells people when it cannot go on."""


class TrainError(Exception):
    """Ends a run with a message for a person.

    Exit code 1: the run failed; 2: wrong usage, or something that cannot be read.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
