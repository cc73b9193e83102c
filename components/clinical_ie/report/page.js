"use strict";
// The error browser. The note is one text node; mentions and relations are drawn over it as SVG, at
// the places that the web browser gave the characters. Offsets are in UTF-16 units.
(() => {
  const DATA = JSON.parse(document.getElementById("browser-data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const LANE = 11; // pixels between two relations above a line: their labels must not touch
  const MARGIN_LANE = 6; // and in the margin, where there are no labels
  const MAX_LANES = 16; // above a line; more of them share the highest
  const MAX_LISTED = 300; // errors in the list at a time, around the one that is shown
  const byId = (id) => document.getElementById(id);
  const note = byId("note");
  const list = byId("errors");
  const filters = { arm: byId("f-arm"), kind: byId("f-kind"), type: byId("f-type"), doc: byId("f-doc") };
  const showAll = byId("show-all");
  let found = []; // the errors that pass the filters
  let at = 0; // which of them is shown
  let shownDoc = -1;
  let textNode = null;

  const arm = () => DATA.arms.indexOf(filters.arm.value);
  const el = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (parent) parent.appendChild(element);
    return element;
  };

  // --- filters ---------------------------------------------------------------------------------

  function fill(select, values, all) {
    const kept = select.value;
    select.replaceChildren();
    for (const [value, label] of [["", all], ...values]) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = label;
      select.appendChild(option);
    }
    if ([...select.options].some((option) => option.value === kept)) select.value = kept;
  }

  function counted(column, text) {
    const counts = new Map();
    for (const error of DATA.errors[filters.arm.value]) {
      const key = text(error, column);
      counts.set(key, (counts.get(key) || 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]).map(([key, n]) => [key, `${key} (${n})`]);
  }

  const kindOf = (error) => `${error[3]}: ${error[1]}`;
  const typeOf = (error) => `${error[3]}: ${error[2]}`;

  function fillFilters() {
    fill(filters.kind, counted(1, kindOf), "all kinds of error");
    fill(filters.type, counted(2, typeOf), "all types");
    const names = DATA.docs.map((doc, i) => [String(i), doc.name]);
    fill(filters.doc, names, "all documents");
  }

  function applyFilters() {
    const { kind, type, doc } = filters;
    found = DATA.errors[filters.arm.value].filter(
      (error) =>
        (!kind.value || kindOf(error) === kind.value) &&
        (!type.value || typeOf(error) === type.value) &&
        (!doc.value || error[0] === Number(doc.value)),
    );
    at = 0;
    shownDoc = -1;
    show();
  }

  // --- the list --------------------------------------------------------------------------------

  function describe(error) {
    const [doc, kind, type, task, side, place] = error;
    const where = DATA.docs[doc];
    const items = where.sides[side ? arm() + 1 : 0];
    const text = (mention) =>
      mention[1].map(([a, b]) => where.text.slice(a, b)).join(" … ").replace(/\s+/g, " ").slice(0, 60);
    if (task === "mention") return `${kind} · ${type} · ${text(items.m[place])}`;
    const [, head, tail] = items.r[place];
    return `${kind} · ${type} · ${text(items.m[head])} → ${text(items.m[tail])}`;
  }

  function fillList() {
    const first = Math.max(0, Math.min(at - MAX_LISTED / 2, found.length - MAX_LISTED));
    list.replaceChildren();
    found.slice(first, first + MAX_LISTED).forEach((error, i) => {
      const option = document.createElement("option");
      option.value = String(first + i);
      option.textContent = `${DATA.docs[error[0]].name} · ${describe(error)}`;
      list.appendChild(option);
    });
    list.value = String(at);
    byId("count").textContent = found.length ? `${at + 1} of ${found.length}` : "no such error";
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

  // --- drawing ---------------------------------------------------------------------------------

  // The boxes of a mention, one for each piece and each line that it runs over.
  function boxes(mention, origin) {
    const result = [];
    for (const [start, end] of mention[1]) {
      const range = document.createRange();
      range.setStart(textNode, start);
      range.setEnd(textNode, Math.max(end, start + 1));
      for (const box of range.getClientRects()) {
        if (box.width < 0.5) continue;
        result.push({
          x: box.left - origin.left, y: box.top - origin.top, w: box.width, h: box.height,
        });
      }
    }
    return result;
  }

  // A free lane for [from, to], the lowest that no drawn stretch of the same row crosses.
  function takeLane(rows, key, from, to) {
    const row = rows.get(key) || [];
    rows.set(key, row);
    for (let lane = 0; ; lane++) {
      row[lane] = row[lane] || [];
      if (row[lane].every(([a, b]) => to < a || b < from)) {
        row[lane].push([from, to]);
        return lane;
      }
    }
  }

  // Underlines with the type, gold above the text's foot, predicted below it.
  function drawMentions(svg, side, name, mentions, all, chosen) {
    const lanes = new Map();
    const labels = new Map();
    mentions.forEach((mention, i) => {
      const group = el("g", { class: `mention ${name}${chosen.has(i) ? " chosen" : ""}` }, svg);
      const title = el("title", {}, group);
      title.textContent = `${name}: ${mention[0]}${side ? ` (${mention[2]})` : ""}`;
      all[i].forEach((box, piece) => {
        const row = Math.round(box.y);
        const lane = takeLane(lanes, row, box.x + 1, box.x + box.w - 1);
        const y = box.y + box.h + (side ? 8 : 1) + Math.min(lane, 2) * 2;
        el("rect", { x: box.x, y: box.y, width: box.w, height: box.h, class: "ground" }, group);
        el("line", { x1: box.x, x2: box.x + box.w, y1: y, y2: y, class: "under" }, group);
        if (piece) return;
        // A type is written where there is room for it; pointing at the mention always tells it.
        const width = mention[0].length * 5.2 + 4;
        const free = labels.get(row) || [];
        if (free.every(([a, b]) => box.x > b || box.x + width < a)) {
          free.push([box.x, box.x + width]);
          labels.set(row, free);
          const foot = side ? box.y + box.h + 20 : box.y - 2;
          const x = Math.max(0, Math.min(box.x, note.clientWidth - 112 - width));
          el("text", { x, y: foot, class: "type" }, group).textContent = mention[0];
        }
      });
    });
  }

  // From the head's middle up, along the gap above its line, by the margin where the lines differ,
  // and down on the tail. Every stretch has a lane of its own.
  function drawRelation(svg, side, name, relation, all, rows, gutter, chosen) {
    const head = all[relation[1]][0];
    const tail = all[relation[2]][0];
    if (!head || !tail) return;
    const [x1, x2] = [head.x + head.w / 2, tail.x + tail.w / 2 + (side ? 3 : 0)];
    const sameLine = Math.abs(head.y - tail.y) < 3;
    const above = (box, from, to) => {
      // A short relation still needs room for its label.
      const half = Math.max(Math.abs(to - from), relation[0].length * 5.5 + 4) / 2;
      const middle = (from + to) / 2;
      const lane = takeLane(rows, Math.round(box.y), middle - half, middle + half);
      return box.y - 17 - Math.min(lane, MAX_LANES) * LANE;
    };
    let path;
    let label;
    if (sameLine) {
      const y = above(head, x1, x2);
      path = `M${x1} ${head.y} V${y} H${x2} V${tail.y}`;
      label = [(x1 + x2) / 2, y];
    } else {
      const lane = takeLane(gutter, 0, Math.min(head.y, tail.y), Math.max(head.y, tail.y));
      const margin = -10 - (lane % 13) * MARGIN_LANE;
      const y1 = above(head, margin, x1);
      const y2 = above(tail, margin, x2);
      path = `M${x1} ${head.y} V${y1} H${margin} V${y2} H${x2} V${tail.y}`;
      label = [x1 / 2, y1];
    }
    const group = el("g", { class: `relation ${name}${chosen ? " chosen" : ""}` }, svg);
    el("title", {}, group).textContent = `${name}: ${relation[0]}${side ? ` (${relation[3]})` : ""}`;
    el("path", { d: path, class: "halo" }, group);
    el("path", { d: path, "marker-end": `url(#tip-${name})` }, group);
    const text = el("text", { x: label[0], y: label[1] + 3, class: "label" }, group);
    text.textContent = relation[0];
  }

  // Which mentions and relations the error is about, on both sides.
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
    // On the other side, a relation belongs to the error where both its ends do.
    sides[1 - own].r.forEach(([, head, tail], i) => {
      if (chosen[1 - own].mentions.has(head) && chosen[1 - own].mentions.has(tail)) {
        chosen[1 - own].relations.add(i);
      }
    });
    return chosen;
  }

  // Lines stand as far apart as the relations between them need: drawn once to count the lanes,
  // and once more if they did not fit.
  function draw() {
    const text = byId("note-text");
    text.style.lineHeight = "";
    const lanes = paint();
    if (lanes > 1) {
      text.style.lineHeight = `${69 + Math.min(lanes - 1, MAX_LANES) * LANE}px`;
      paint();
    }
    const target = note.querySelector(".chosen rect, .chosen path");
    if (target) {
      const place = target.getBoundingClientRect();
      note.scrollTop += place.top - note.getBoundingClientRect().top - note.clientHeight / 2;
    }
  }

  function paint() {
    note.querySelectorAll("svg").forEach((svg) => svg.remove());
    if (shownDoc < 0) return 0;
    const doc = DATA.docs[shownDoc];
    const sides = [doc.sides[0], doc.sides[arm() + 1]];
    const error = found[at];
    const chosen = subjects(error, sides);
    const text = byId("note-text");
    const origin = text.getBoundingClientRect();
    const svg = el("svg", { width: origin.width, height: origin.height, "aria-hidden": "true" });
    const marks = el("defs", {}, svg);
    ["gold", "predicted"].forEach((name) => {
      const tip = el(
        "marker",
        { id: `tip-${name}`, class: name, viewBox: "0 0 6 6", refX: 5, refY: 3,
          markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
        marks,
      );
      el("path", { d: "M0 0 L6 3 L0 6 z" }, tip);
    });
    const rows = new Map();
    const gutter = new Map();
    const placed = sides.map((side) => side.m.map((mention) => boxes(mention, origin)));
    ["gold", "predicted"].forEach((name, i) => {
      drawMentions(svg, i, name, sides[i].m, placed[i], chosen[i].mentions);
    });
    ["gold", "predicted"].forEach((name, i) => {
      sides[i].r.forEach((relation, j) => {
        const own = chosen[i].relations.has(j);
        if (own || showAll.checked) {
          drawRelation(svg, i, name, relation, placed[i], rows, gutter, own);
        }
      });
    });
    text.appendChild(svg);
    return Math.max(0, ...[...rows.values()].map((row) => row.length));
  }

  function show() {
    fillList();
    const error = found[at];
    const doc = error ? error[0] : filters.doc.value ? Number(filters.doc.value) : -1;
    if (doc !== shownDoc) {
      shownDoc = doc;
      const text = byId("note-text");
      text.replaceChildren();
      textNode = document.createTextNode(doc < 0 ? "" : DATA.docs[doc].text);
      text.appendChild(textNode);
      byId("note-name").textContent = doc < 0 ? "" : DATA.docs[doc].name;
    }
    byId("told").textContent = error ? describe(error) : "";
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
  showAll.addEventListener("change", draw);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (["SELECT", "INPUT", "TEXTAREA"].includes(event.target.tagName)) return;
    if (event.key === "n" || event.key === "j") go(1);
    if (event.key === "p" || event.key === "k") go(-1);
  });
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 100);
  });

  DATA.arms.forEach((name) => {
    const option = document.createElement("option");
    option.textContent = name;
    filters.arm.appendChild(option);
  });
  fillFilters();
  applyFilters();
})();
