"""The clock of the sweep, on a machine whose clock may be set back."""

from datetime import datetime

from celery.schedules import schedstate, schedule


class Steady(schedule):  # type: ignore[misc]  # Celery carries no types
    """A schedule that is due at once where its last run lies in the future.

    Celery's own waits until the clock has come there again: an hour without a sweep.
    """

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Return whether to run now, and in how many seconds to ask again."""
        if self.maybe_make_aware(last_run_at) > self.now():
            return schedstate(is_due=True, next=self.seconds)
        return super().is_due(last_run_at)
