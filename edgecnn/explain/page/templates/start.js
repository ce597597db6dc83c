// Start a screen when it is about to be seen: a phone need not draw all nine at once.
{
  const head = readData("head");
  const startScreen = (section) => {
    if (section.dataset.started) return;
    section.dataset.started = "yes";
    const key = section.dataset.screen;
    if (screens[key] && !section.querySelector(".missing")) screens[key](section, readData(key), head);
    section.dataset.ready = "yes";
  };
  const sections = [...document.querySelectorAll("section.screen")];
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); startScreen(entry.target); }
  }, {rootMargin: "900px 0px"});
  sections.forEach((section) => near.observe(section));
  addEventListener("beforeprint", () => sections.forEach(startScreen));
  // The rest while nothing else is to do, so that no section grows under somebody who jumps to the last one.
  const idle = window.requestIdleCallback || ((callback) => setTimeout(callback, 50));
  const startNext = () => {
    const next = sections.find((section) => !section.dataset.started);
    if (next) { startScreen(next); idle(startNext); }
  };
  idle(startNext);

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      const link = links.get(entry.target.id);
      link.setAttribute("aria-current", "true");
      const list = link.closest("ol");
      list.scrollTo({left: link.offsetLeft - list.clientWidth / 2 + link.offsetWidth / 2});
    }
  }, {rootMargin: "-30% 0px -60% 0px"});
  sections.forEach((section) => seen.observe(section));
}
