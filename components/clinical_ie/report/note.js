"use strict";
// A note with its mentions and relations. The text is laid out line by line, so that each line gets
// as much room above it as its relations need; marks are drawn over it as SVG, at the positions of
// the characters in the web browser. Offsets are in UTF-16 code units.
//
// The kind of a mark is "right" for items of both gold and prediction, "gold" for items that only
// gold has, and "predicted" for items that only the prediction has.
const noteView = (note, text) => {
  const SVG = "http://www.w3.org/2000/svg";
  const KINDS = ["right", "gold", "predicted"];
  const LANE = 13; // pixels between two relations above a line: their labels must not touch
  const FIRST_LANE = 19; // the lowest one is above the types
  const MARGIN_LANE = 7; // in the margin, where there are no labels
  const MARGIN_LANES = 11; // beyond these, relations share a line in the margin
  const MARGIN = 90; // pixels to the left of the text
  const CORNER = 4; // radius
  const pen = document.createElement("canvas").getContext("2d");
  let lines = []; // of the note shown: start, end, element
  let content = "";

  const el = (name, attributes, parent, words) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (words !== undefined) element.textContent = words;
    if (parent) parent.appendChild(element);
    return element;
  };

  const measure = (words, font) => {
    pen.font = font;
    return pen.measureText(words).width;
  };
  const labelWidth = (words) => measure(words, "11px system-ui, sans-serif");

  // --- lines -------------------------------------------------------------------------------------

  // Where lines start that are at most that wide; a line ends after its line break or a blank.
  function lineStarts(width, font) {
    const starts = [0];
    let used = 0;
    for (const { 0: word, index } of content.matchAll(/\n|[^\s]+[^\S\n]*|[^\S\n]+/g)) {
      if (word === "\n") {
        used = 0;
        if (index + 1 < content.length) starts.push(index + 1);
        continue;
      }
      // The blanks after a word may extend beyond the end of the line.
      if (used && used + measure(word.trimEnd(), font) > width) {
        starts.push(index);
        used = 0;
      }
      // A word that is wider than a line is split.
      let from = 0;
      while (measure(word.slice(from).trimEnd(), font) > width) {
        let n = Math.max(1, Math.floor(width / measure("m", font)));
        while (n > 1 && measure(word.slice(from, from + n), font) > width) n--;
        // Not within a surrogate pair.
        if (/[\ud800-\udbff]/.test(word[from + n - 1])) n++;
        from += n;
        if (from >= word.length) break;
        starts.push(index + from);
        used = 0;
      }
      used += measure(word.slice(from), font);
    }
    return starts;
  }

  function layOut() {
    const style = getComputedStyle(text);
    const starts = lineStarts(text.clientWidth, `${style.fontSize} ${style.fontFamily}`);
    text.replaceChildren();
    lines = starts.map((start, i) => {
      const element = document.createElement("div");
      const end = i + 1 < starts.length ? starts[i + 1] : content.length;
      element.appendChild(document.createTextNode(content.slice(start, end)));
      text.appendChild(element);
      return { start, end, element };
    });
  }

  function lineOf(offset) {
    let [low, high] = [0, lines.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle].start <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // The boxes of a mention, one for each piece and each line that it covers. The final position of
  // a line is not known yet: `up` is measured from its bottom.
  function boxes(pieces, left) {
    const result = [];
    for (const [start, end] of pieces) {
      for (let line = lineOf(start); line < lines.length && lines[line].start < end; line++) {
        const { start: first, end: last, element, foot } = lines[line];
        const range = document.createRange();
        range.setStart(element.firstChild, Math.max(start, first) - first);
        range.setEnd(element.firstChild, Math.min(end, last) - first);
        const { left: x, top, width, height } = range.getBoundingClientRect();
        if (width >= 0.5) result.push({ line, x: x - left, up: foot - top, w: width, h: height });
      }
    }
    return result;
  }

  // Read the positions of all lines at once: alternating reads and writes cost a layout each.
  function readFeet() {
    for (const line of lines) line.foot = line.element.getBoundingClientRect().bottom;
  }

  // --- lanes -------------------------------------------------------------------------------------

  // Reserve [from, to] in the lowest lane where it overlaps nothing that was drawn before.
  function takeLane(rows, key, from, to) {
    if (!rows.has(key)) rows.set(key, []);
    const row = rows.get(key);
    for (let lane = 0; ; lane++) {
      row[lane] = row[lane] || [];
      if (row[lane].every(([a, b]) => to < a || b < from)) {
        row[lane].push([from, to]);
        return lane;
      }
    }
  }

  // --- mentions ----------------------------------------------------------------------------------

  // Types are above the text for gold, and below it for what only the prediction has.
  function drawMention(layers, mark, placed, rows) {
    const { kind, label, title, hue, chosen } = mark;
    const below = kind === "predicted";
    const classes = `mention ${kind}${chosen ? " chosen" : ""}`;
    const group = el("g", { class: classes, style: `--hue: ${hue}` }, layers.mentions);
    el("title", {}, group, title);
    placed.forEach((box, piece) => {
      const lane = takeLane(rows.under, `${kind}${box.line}`, box.x + 1, box.x + box.w - 1);
      const y = box.y + box.h + (below ? 5 : 1) + Math.min(lane, 2) * 2;
      el("rect", { x: box.x, y: box.y, width: box.w, height: box.h, rx: 2, class: "ground" }, group);
      el("line", { x1: box.x, x2: box.x + box.w, y1: y, y2: y, class: "under" }, group);
      if (piece) return;
      // A type is written if there is room for it; pointing at the mention always shows it.
      const width = labelWidth(label);
      const x = Math.max(0, Math.min(box.x, text.clientWidth - width));
      const free = rows.types.get(`${below}${box.line}`) || [];
      if (free.every(([a, b]) => x > b || x + width < a)) {
        rows.types.set(`${below}${box.line}`, [...free, [x, x + width + 5]]);
        const foot = below ? box.y + box.h + 19 : box.y - 3;
        const type = { x, y: foot, class: `type ${kind}${chosen ? " chosen" : ""}` };
        el("text", type, layers.types, label);
      }
    });
  }

  // --- relations ---------------------------------------------------------------------------------

  // A line of horizontal and vertical segments through points, with round corners.
  function rounded(points) {
    let path = `M${points[0]}`;
    for (let i = 1; i < points.length - 1; i++) {
      const [before, corner, after] = points.slice(i - 1, i + 2);
      const cut = (to) => {
        const length = Math.hypot(to[0] - corner[0], to[1] - corner[1]);
        const part = length ? Math.min(CORNER, length / 2) / length : 0;
        return [corner[0] + (to[0] - corner[0]) * part, corner[1] + (to[1] - corner[1]) * part];
      };
      path += `L${cut(before)}Q${corner} ${cut(after)}`;
    }
    return `${path}L${points[points.length - 1]}`;
  }

  // A relation goes up from the head, along the gap above its line, through the margin if the tail
  // is on another line, and down to the tail. Every segment gets a lane of its own.
  function plan(mark, head, tail, rows) {
    // Relations leave and reach a mention at different points, so that they do not overlap.
    const [x1, x2] = [head.x + head.w * 0.42, tail.x + tail.w * 0.58];
    const half = labelWidth(mark.label) / 2 + 4;
    const above = (box, from, to, middle) => {
      const [low, high] = [Math.min(from, to, middle - half), Math.max(from, to, middle + half)];
      return takeLane(rows.lanes, box.line, low, high);
    };
    const planned = { mark, head, tail, x1, x2 };
    if (head.line === tail.line) {
      const middle = Math.max(half, (x1 + x2) / 2);
      return { ...planned, middle, lanes: [above(head, x1, x2, middle)] };
    }
    const [first, last] = [Math.min(head.line, tail.line), Math.max(head.line, tail.line)];
    const margin = -10 - (takeLane(rows.margin, 0, first, last) % MARGIN_LANES) * MARGIN_LANE;
    const middle = Math.max(half, x1 / 2);
    const lanes = [above(head, margin, x1, middle), above(tail, margin, x2, (margin + x2) / 2)];
    return { ...planned, middle, margin, lanes };
  }

  function drawRelation(layers, { mark, head, tail, x1, x2, middle, margin, lanes }) {
    const [y1, y2 = y1] = lanes.map(
      (lane, i) => (i ? tail : head).y - FIRST_LANE - lane * LANE,
    );
    const bend = margin === undefined ? [] : [[margin, y1], [margin, y2]];
    const path = rounded([[x1, head.y], [x1, y1], ...bend, [x2, y2], [x2, tail.y]]);
    const classes = `relation ${mark.kind}${mark.chosen ? " chosen" : ""}`;
    const group = el("g", { class: classes }, layers.relations);
    el("title", {}, group, mark.title);
    el("path", { d: path, class: "halo" }, group);
    el("path", { d: path, "marker-end": `url(#tip-${mark.kind})` }, group);
    el("text", { x: middle, y: y1 + 4, class: "label" }, group, mark.label);
  }

  // --- all of it ---------------------------------------------------------------------------------

  // On paper, a line that does not fit on a page moves to the next one, so each line carries its
  // part of the drawing.
  function cutIntoBands(drawing, width) {
    drawing.id = "note-drawing";
    el("defs", {}, drawing.parentNode).append(drawing);
    for (const { element } of lines) {
      const { offsetTop: top, offsetHeight: height } = element;
      const [left, all] = [-MARGIN, width + MARGIN];
      const place = { class: "band", width: all, height, viewBox: `${left} ${top} ${all} ${height}` };
      el("use", { href: "#note-drawing" }, el("svg", place, element));
    }
  }

  function paint(mentions, placed, plans, origin) {
    const svg = el("svg", { width: origin.width, height: text.clientHeight, "aria-hidden": "true" });
    const tips = el("defs", {}, svg);
    for (const kind of KINDS) {
      const tip = {
        id: `tip-${kind}`, class: kind, viewBox: "0 0 6 6", refX: 5, refY: 3,
        markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto",
      };
      el("path", { d: "M0 0 L6 3 L0 6 z" }, el("marker", tip, tips));
    }
    const drawing = el("g", { class: "layer" }, svg);
    const layers = {};
    for (const name of ["mentions", "relations", "types"]) layers[name] = el("g", {}, drawing);
    const rows = { under: new Map(), types: new Map() };
    for (const mark of mentions) drawMention(layers, mark, placed.get(mark), rows);
    for (const planned of plans) drawRelation(layers, planned);
    // The items of the selected error are on top.
    for (const layer of Object.values(layers)) {
      layer.append(...layer.querySelectorAll(":scope > .chosen"));
    }
    text.appendChild(svg);
    return drawing;
  }

  // marks: mentions and relations; those with `chosen` belong to the selected error.
  function draw(words, { mentions, relations }, onPaper) {
    content = words;
    layOut();
    readFeet();
    const { left } = text.getBoundingClientRect();
    const placed = new Map();
    const place = (mark) => {
      if (!placed.has(mark)) placed.set(mark, boxes(mark.pieces, left));
      return placed.get(mark);
    };
    mentions.forEach(place);
    // Short ones go below long ones, so that few lines cross.
    const reach = (mark) => Math.abs(mark.head.pieces[0][0] - mark.tail.pieces[0][0]);
    const rows = { lanes: new Map(), margin: new Map() };
    const plans = [...relations]
      .sort((a, b) => reach(a) - reach(b))
      .filter((mark) => place(mark.head).length && place(mark.tail).length)
      .map((mark) => plan(mark, place(mark.head)[0], place(mark.tail)[0], rows));
    for (const [line, taken] of rows.lanes) {
      lines[line].element.style.paddingTop = `${FIRST_LANE - 6 + taken.length * LANE}px`;
    }
    readFeet();
    const origin = text.getBoundingClientRect();
    for (const found of placed.values()) {
      for (const box of found) box.y = lines[box.line].foot - box.up - origin.top;
    }
    const drawing = paint(mentions, placed, plans, origin);
    if (onPaper) {
      cutIntoBands(drawing, text.clientWidth);
      return;
    }
    const chosen = mentions.find((mark) => mark.chosen && placed.get(mark).length);
    note.scrollTop = chosen ? placed.get(chosen)[0].y - note.clientHeight / 2 : 0;
  }

  return { draw };
};
