"""OHIF as a reader uses it: open a study, press the button, look at what appears."""

import re
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Locator, Page, TimeoutError, expect

_COLOURS: Final = """
number => {
    const pane = document.querySelectorAll('[data-cy=viewport-pane]')[number];
    const canvas = pane?.querySelector('canvas.cornerstone-canvas');
    if (!canvas?.width || !canvas?.height) return 0;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
}
"""
_SHOWS_A_PICTURE: Final = f"number => ({_COLOURS})(number) > 8"
"""A canvas that is still blank, or holds no more than an error, has a colour or two."""


@dataclass(frozen=True)
class Viewer:
    """The viewer in one page."""

    page: Page

    def open(self, study_instance_uid: str, *, stock: bool = False) -> None:
        """Open a study by its deep link and wait until its first image is drawn."""
        options = "&stock=1" if stock else ""
        self.page.goto(f"/ohif/viewer?StudyInstanceUIDs={study_instance_uid}{options}")
        self.drawn()

    def drawn(self, count: int = 1) -> None:
        """Wait until there are so many viewports and each counts its images and shows one."""
        expect(self.viewports).to_have_count(count)
        for number in range(count):
            expect(self.viewports.nth(number)).to_contain_text(re.compile(r"\d+/[1-9]"))
            self._shows_a_picture(number)

    def _shows_a_picture(self, number: int) -> None:
        try:
            self.page.wait_for_function(_SHOWS_A_PICTURE, arg=number)
        except TimeoutError as exc:
            panes = [
                f"{self.page.evaluate(_COLOURS, at)} colours, {pane.inner_text()!r}"
                for at, pane in enumerate(self.viewports.all())
            ]
            raise AssertionError(f"viewport {number} shows no picture: {panes}") from exc

    def diagnose(self) -> None:
        """Press the button."""
        self.part("button").click()

    def part(self, name: str) -> Locator:
        """Return a part of what the extension draws, by its name."""
        return self.page.locator(f"[data-cy=ai-{name}]")

    def ended(self, state: str) -> Locator:
        """Wait until the panel tells how the reading ended; return that part."""
        ending = self.page.locator(f"[data-cy=ai-ending][data-state={state}]")
        expect(ending).to_be_visible()
        return ending

    @property
    def viewports(self) -> Locator:
        """Return all viewports of the grid."""
        return self.page.locator("[data-cy=viewport-pane]")

    @property
    def thumbnails(self) -> Locator:
        """Return the pictures in the study browser: of each series whose image has come."""
        return self.page.locator("[data-cy=study-browser-thumbnail] img")

    @property
    def report_series(self) -> Locator:
        """Return our report's entry in the study browser."""
        return self.page.locator("[data-cy=study-browser-thumbnail-no-image]")
