"""What is wrong with a schedule, in words that its author can act on."""


class ScheduleError(ValueError):
    """A schedule that means nothing, or never holds: `field` is where (`schedule.periods[2].cron`), `problem` what."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
