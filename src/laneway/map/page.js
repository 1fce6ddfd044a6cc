"use strict";
(() => {
  const told = JSON.parse(document.getElementById("told").textContent);
  const map = document.querySelector(".map");
  const card = document.querySelector("aside");
  const search = document.querySelector("input");
  const count = document.getElementById("count");
  const parts = [...map.querySelectorAll(".part")];
  const tenants = parts.filter((part) => part.classList.contains("tenant"));
  const total = count.textContent;
  let stop = tenants[0] || parts[0];

  // One stop for the Tab key; the arrows go on from there (WAI-ARIA, roving tabindex).
  const rove = (part) => {
    stop.tabIndex = -1;
    stop = part;
    stop.tabIndex = 0;
  };
  if (stop) rove(stop);

  const show = (part, at) => {
    const { title, rows, lights } = told[part.id];
    for (const each of map.querySelectorAll(".shown")) each.classList.remove("shown");
    for (const id of [part.id, ...lights]) document.getElementById(id)?.classList.add("shown");
    map.classList.add("pointed");
    const heading = document.createElement("h2");
    heading.textContent = title;
    const list = document.createElement("dl");
    for (const [name, value] of rows) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      list.append(term, text);
    }
    card.replaceChildren(heading, list);
    card.hidden = false;
    // Away from what it tells of.
    const box = (at || part).getBoundingClientRect();
    card.classList.toggle("left", box.left + box.width / 2 > innerWidth / 2);
  };
  const hide = () => {
    map.classList.remove("pointed");
    card.hidden = true;
  };
  const shownAgain = () => (map.contains(document.activeElement) ? show(document.activeElement.closest(".part")) : hide());

  map.addEventListener("pointerover", (event) => {
    const part = event.target.closest(".part");
    if (part) show(part, event.target);
    else shownAgain();
  });
  map.addEventListener("pointerleave", shownAgain);
  map.addEventListener("click", (event) => event.target.closest(".part")?.focus({ preventScroll: true }));
  map.addEventListener("focusin", (event) => {
    const part = event.target.closest(".part");
    if (!part) return;
    rove(part);
    show(part);
  });
  map.addEventListener("focusout", hide);

  const walk = (list, step) => {
    const at = list.indexOf(stop);
    return list[Math.min(Math.max(at + step, 0), list.length - 1)];
  };
  const keys = {
    ArrowRight: () => walk(parts, 1),
    ArrowLeft: () => walk(parts, -1),
    ArrowDown: () => nextTenant(1),
    ArrowUp: () => nextTenant(-1),
    Home: () => parts[0],
    End: () => parts[parts.length - 1],
  };
  const nextTenant = (step) => {
    const known = search.value.trim() ? tenants.filter((each) => each.classList.contains("found")) : tenants;
    if (known.includes(stop)) return walk(known, step);
    return known[0];
  };
  map.addEventListener("keydown", (event) => {
    const next = keys[event.key]?.();
    if (event.key === "Escape") stop.blur();
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  const look = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    map.classList.toggle("sought", words.length > 0);
    let found = 0;
    for (const tenant of tenants) {
      const hit = words.every((word) => told[tenant.id].find.includes(word));
      tenant.classList.toggle("found", hit);
      for (const id of told[tenant.id].lights) {
        const inner = document.getElementById(id);
        if (inner?.matches(".workload, .lane")) inner.classList.toggle("found", hit);
      }
      found += hit;
    }
    if (words.length) map.querySelector(".tenant.found")?.scrollIntoView({ block: "center", inline: "nearest" });
    count.textContent = words.length ? `${found} of ${tenants.length} tenants` : total;
  };
  search.addEventListener("input", look);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      search.value = "";
      look();
    }
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    const first = tenants.find((each) => each.classList.contains("found"));
    if (!first || !search.value.trim()) return;
    event.preventDefault();
    first.focus();
    first.scrollIntoView({ block: "center", inline: "nearest" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || document.activeElement === search) return;
    event.preventDefault();
    search.focus();
  });
})();
