"use strict";
// The error browser: filters, the list of errors, and which marks of the note belong to an error.
(() => {
  const DATA = JSON.parse(document.getElementById("browser-data").textContent);
  // Words that items have in common are written once, and numbered in the items.
  const spell = (items, ...places) => {
    for (const item of items) for (const place of places) item[place] = DATA.words[item[place]];
  };
  for (const errors of Object.values(DATA.errors)) spell(errors, 1, 2, 3);
  for (const doc of DATA.docs) for (const side of doc.sides) spell([...side.m, ...side.r], 0);
  const MAX_LISTED = 300; // errors in the list at a time, around the one that is shown
  const byId = (id) => document.getElementById(id);
  const view = noteView(byId("note"), byId("note-text"));
  const list = byId("errors");
  const filters = { arm: byId("f-arm"), kind: byId("f-kind"), type: byId("f-type"), doc: byId("f-doc") };
  const showAll = byId("show-all");
  let found = []; // the errors that pass the filters
  let at = 0; // which of them is shown
  let shownDoc = -1;

  const arm = () => DATA.arms.indexOf(filters.arm.value);

  // --- filters ---------------------------------------------------------------------------------

  // Of each filter: its element, an error's value, the name of a value, and the name of all.
  const FACETS = [
    [filters.kind, (error) => `${error[3]}: ${error[1]}`, (value) => value, "all kinds of error"],
    [filters.type, (error) => `${error[3]}: ${error[2]}`, (value) => value, "all types"],
    [filters.doc, (error) => String(error[0]), (value) => DATA.docs[value].name, "all documents"],
  ];
  // Each error's values, computed once: there can be tens of thousands of errors.
  const VALUES = {};
  for (const [name, errors] of Object.entries(DATA.errors)) {
    VALUES[name] = errors.map((error) => FACETS.map(([, valueOf]) => valueOf(error)));
  }

  // The arm's values, most frequent first; documents in order, including those without errors.
  function fillFilters() {
    FACETS.forEach(([select], facet) => {
      const isDoc = select === filters.doc;
      const counts = new Map(isDoc ? DATA.docs.map((_, i) => [String(i), 0]) : []);
      for (const values of VALUES[filters.arm.value]) {
        counts.set(values[facet], (counts.get(values[facet]) || 0) + 1);
      }
      const sorted = [...counts];
      if (!isDoc) sorted.sort((a, b) => b[1] - a[1]);
      const kept = select.value;
      select.replaceChildren(
        ...["", ...sorted.map(([value]) => value)].map((value) => {
          const option = document.createElement("option");
          option.value = value;
          return option;
        }),
      );
      select.value = counts.has(kept) ? kept : "";
    });
  }

  // `found` gets the errors that pass all filters. Each value of a filter is shown with the number
  // of errors that choosing it would show, which are those that pass the other filters.
  function applyFilters() {
    const wanted = FACETS.map(([select]) => select.value);
    const counts = FACETS.map(() => new Map());
    const totals = FACETS.map(() => 0);
    const count = (facet, value) => {
      counts[facet].set(value, (counts[facet].get(value) || 0) + 1);
      totals[facet] += 1;
    };
    const values = VALUES[filters.arm.value];
    found = DATA.errors[filters.arm.value].filter((_, i) => {
      const failed = [0, 1, 2].filter((f) => wanted[f] && wanted[f] !== values[i][f]);
      if (!failed.length) values[i].forEach((value, f) => count(f, value));
      else if (failed.length === 1) count(failed[0], values[i][failed[0]]);
      return !failed.length;
    });
    FACETS.forEach(([select, , called, all], facet) => {
      for (const option of select.options) {
        option.textContent = option.value
          ? `${called(option.value)} (${counts[facet].get(option.value) || 0})`
          : `${all} (${totals[facet]})`;
      }
    });
    at = 0;
    show();
  }

  // --- the list --------------------------------------------------------------------------------

  function describe(error, withScore) {
    const [doc, kind, type, task, side, place] = error;
    const where = DATA.docs[doc];
    const items = where.sides[side ? arm() + 1 : 0];
    const item = (task === "mention" ? items.m : items.r)[place];
    const text = (mention) =>
      mention[1].map(([a, b]) => where.text.slice(a, b)).join(" … ").replace(/\s+/g, " ").slice(0, 60);
    const words = task === "mention" ? [item] : [items.m[item[1]], items.m[item[2]]];
    const told = `${kind} · ${type} · ${words.map(text).join(" → ")}`;
    const score = task === "mention" ? item[2] : item[3];
    return withScore && side ? `${told} · predicted with score ${score}` : told;
  }

  function fillList() {
    const first = Math.max(0, Math.min(at - MAX_LISTED / 2, found.length - MAX_LISTED));
    list.replaceChildren();
    found.slice(first, first + MAX_LISTED).forEach((error, i) => {
      const option = document.createElement("option");
      option.value = String(first + i);
      option.textContent = `${describe(error)} · ${DATA.docs[error[0]].name}`;
      list.appendChild(option);
    });
    list.value = String(at);
    byId("count").textContent = found.length ? `${at + 1} of ${found.length}` : "no such errors";
    byId("previous").disabled = at === 0;
    byId("next").disabled = at >= found.length - 1;
  }

  function go(step) {
    const next = Math.min(Math.max(at + step, 0), Math.max(found.length - 1, 0));
    if (next !== at) {
      at = next;
      show();
    }
  }

  // --- the note --------------------------------------------------------------------------------

  // The mentions and relations that the error is about, on both sides.
  function subjects(error, sides) {
    const chosen = sides.map(() => ({ mentions: new Set(), relations: new Set() }));
    if (!error) return chosen;
    const own = error[4];
    const touched = [];
    if (error[3] === "mention") {
      chosen[own].mentions.add(error[5]);
      touched.push(sides[own].m[error[5]]);
    } else {
      chosen[own].relations.add(error[5]);
      for (const end of sides[own].r[error[5]].slice(1, 3)) {
        chosen[own].mentions.add(end);
        touched.push(sides[own].m[end]);
      }
    }
    const meets = (mention) =>
      touched.some((other) =>
        other[1].some(([a, b]) => mention[1].some(([c, d]) => a < d && c < b)),
      );
    sides[1 - own].m.forEach((mention, i) => {
      if (meets(mention)) chosen[1 - own].mentions.add(i);
    });
    // On the other side, a relation belongs to the error if both its ends do.
    sides[1 - own].r.forEach(([, head, tail], i) => {
      if (chosen[1 - own].mentions.has(head) && chosen[1 - own].mentions.has(tail)) {
        chosen[1 - own].relations.add(i);
      }
    });
    return chosen;
  }

  // Types that follow each other in sorted order get hues that are far apart.
  const HUES = new Map();
  for (const doc of DATA.docs) {
    for (const side of doc.sides) for (const [type] of side.m) HUES.set(type, 0);
  }
  [...HUES.keys()].sort().forEach((type, i) => HUES.set(type, (i * 137) % 360));

  // The note's marks. An item that is right is on both sides, and drawn once, as the gold one.
  function marksOf(error, sides) {
    const chosen = subjects(error, sides);
    const mentions = [];
    const relations = [];
    // Every gold item that was not found is listed as an error of the arm.
    const missed = new Set();
    for (const [doc, , , task, own, place] of DATA.errors[filters.arm.value]) {
      if (doc === shownDoc && !own) missed.add(`${task} ${place}`);
    }
    const isRight = (item, i, task, place) =>
      i ? item[item.length - 1] === 1 : !missed.has(`${task} ${place}`);
    sides.forEach((side, i) => {
      const kindOfMark = (right) => (right ? "right" : i ? "predicted" : "gold");
      const titled = (kind, label, score) => `${kind}: ${label}${i ? `, score ${score}` : ""}`;
      const placed = side.m.map((mention, place) => {
        const [label, pieces, score] = mention;
        const right = isRight(mention, i, "mention", place);
        const kind = kindOfMark(right);
        const mark = {
          kind, label, pieces, title: titled(kind, label, score), hue: HUES.get(label),
          chosen: chosen[i].mentions.has(place),
        };
        if (!right || !i) mentions.push(mark);
        return mark;
      });
      side.r.forEach((relation, place) => {
        const [label, head, tail, score] = relation;
        const right = isRight(relation, i, "relation", place);
        const kind = kindOfMark(right);
        const own = chosen[i].relations.has(place);
        if ((right && i) || !(own || showAll.checked)) return;
        relations.push({
          kind, label, title: titled(kind, label, score), head: placed[head], tail: placed[tail],
          chosen: own,
        });
      });
    });
    return { mentions, relations };
  }

  function draw(onPaper = false) {
    if (shownDoc < 0) return;
    const doc = DATA.docs[shownDoc];
    view.draw(doc.text, marksOf(found[at], [doc.sides[0], doc.sides[arm() + 1]]), onPaper);
  }

  function show() {
    fillList();
    const error = found[at];
    shownDoc = error ? error[0] : filters.doc.value ? Number(filters.doc.value) : -1;
    byId("note-name").textContent = shownDoc < 0 ? "" : DATA.docs[shownDoc].name;
    byId("told").textContent = error ? describe(error, true) : "";
    if (shownDoc < 0) byId("note-text").replaceChildren();
    draw();
  }

  // --- events ----------------------------------------------------------------------------------

  filters.arm.addEventListener("change", () => {
    fillFilters();
    applyFilters();
  });
  for (const name of ["kind", "type", "doc"]) filters[name].addEventListener("change", applyFilters);
  list.addEventListener("change", () => {
    at = Number(list.value);
    show();
  });
  byId("previous").addEventListener("click", () => go(-1));
  byId("next").addEventListener("click", () => go(1));
  showAll.addEventListener("change", () => draw());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (["SELECT", "INPUT", "TEXTAREA"].includes(event.target.tagName)) return;
    if (event.key === "n" || event.key === "j") go(1);
    if (event.key === "p" || event.key === "k") go(-1);
  });
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => draw(), 100);
  });

  // Paper is narrower than most screens, and the layout fixes the line breaks.
  window.addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    draw(true);
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    draw();
  });

  DATA.arms.forEach((name) => {
    const option = document.createElement("option");
    option.textContent = name;
    filters.arm.appendChild(option);
  });
  fillFilters();
  applyFilters();
})();
