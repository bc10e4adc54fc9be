// Dark unless the reader chose light. A classic script in the head, so that nothing flashes first.

{
  const KEY = "dicom-node.theme";
  const root = document.documentElement;

  const kept = () => {
    try {
      return localStorage.getItem(KEY) === "light" ? "light" : "dark";
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      return "dark"; // a browser that keeps nothing for pages
    }
  };

  const keep = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  };

  const show = (theme) => {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(theme === "light"));
  };

  show(kept());
  document.addEventListener("DOMContentLoaded", () => {
    show(kept());
    document.getElementById("theme")?.addEventListener("click", () => {
      const theme = root.dataset.theme === "light" ? "dark" : "light";
      keep(theme);
      show(theme);
      document.dispatchEvent(new Event("theme"));
    });
  });
}
