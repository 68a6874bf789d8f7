"""The error a command raises to tell a person something."""


class UserError(Exception):
    """Ends the command with `error: <message>` on stderr and this exit code, without a traceback.

    Exit code 1: the input has faults, or the run failed; 2: wrong usage, or an unreadable file.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
