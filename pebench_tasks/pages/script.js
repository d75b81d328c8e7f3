// What the pages do: colours, sortable tables, filters, the sample browser. Without it every table can still be read.
"use strict";

const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// An element of texts and other elements; texts stay texts, whatever is in them.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// ---- Colours: as the system has them, or as chosen (kept where the browser lets a page keep anything)
for (const input of all('.theme input')) {
  input.checked = input.value === document.documentElement.dataset.theme;
  input.addEventListener("change", () => {
    document.documentElement.dataset.theme = input.value;
    try { localStorage.setItem("pebench-theme", input.value); } catch { /* a page from a file may keep nothing */ }
  });
}

// ---- Tables: sorted by their headers, searched and paged where they are long
const LONG = 50;
const tables = new Map(), made = [];
for (const table of all("table.sortable")) {
  const heads = all("thead tr:last-child th", table);
  const rows = table.tBodies[0].rows.length;
  const paged = table.dataset.paging !== "off" && (table.hasAttribute("data-paging") || rows > LONG);
  const own = table.closest("[data-board]") !== null;  // its form searches
  // Apart from the page while it is made: the library measures heights, and each time the whole page would be laid out.
  // And what it adds must not scroll with the table.
  const scroll = table.closest(".scroll") ?? table;
  const place = document.createComment("");
  scroll.replaceWith(place);
  const box = make("div", {}, table);
  tables.set(table, new DataTable(table, {
    autoWidth: false, info: paged, lengthChange: false, order: [], orderClasses: false, pageLength: LONG,
    paging: paged, searching: paged || own,
    layout: { topStart: paged && !own ? "search" : null, topEnd: null, bottomStart: paged ? "info" : null, bottomEnd: paged ? "paging" : null },
    language: { info: "_START_–_END_ of _TOTAL_ rows", infoEmpty: "no rows", infoFiltered: "(_MAX_ in all)", search: "Search", zeroRecords: "No row fits." },
    columns: heads.map((head) => ({
      ariaTitle: find(".term", head)?.firstChild.textContent ?? head.textContent.trim(),
      orderable: head.dataset.orderable !== "false",
      orderSequence: head.matches(".figure, .number") && head.dataset.first !== "asc" ? ["desc", "asc", ""] : ["asc", "desc", ""],
    })),
  }));
  if (scroll !== table) { table.before(scroll); scroll.replaceChildren(table); }
  made.push(() => place.replaceWith(...box.children));
}
for (const put of made) put();
// A press on "?" explains, it does not sort.
for (const why of all("th .why")) {
  for (const type of ["click", "keydown", "keypress"]) why.addEventListener(type, (event) => event.stopPropagation());
}
// Only what scrolls is a stop of the Tab key.
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const more = target.scrollWidth > target.clientWidth;
    target.tabIndex = more ? 0 : -1;
    target.classList.toggle("more", more);
  }
});
for (const scroll of all(".scroll")) sizes.observe(scroll);

// ---- Filters: every [data-board] and the rows of its tables; what is chosen stands in the address (#target=event)
const filters = find("form[data-filters]");
if (filters) {
  const fields = all("select, input", filters);
  const boards = all("[data-board]").map((board) => [board, all("table.sortable", board).map((table) => tables.get(table))]);
  const texts = new WeakMap();
  const text = (row) => texts.get(row) ?? (texts.set(row, row.textContent.toLowerCase()), texts.get(row));
  const fits = (row, board) => fields.every(({ name, value }) => !value || (name === "text"
    ? row.matches(".bound") || text(row).includes(value.toLowerCase().trim())
    : (row.dataset[name] ?? board.dataset[name]) === value));
  const ranked = (table, which) => table.rows(which).nodes().toArray().filter((row) => !row.matches(".bound")).length;
  const update = () => {
    let shown = 0, count = 0;
    for (const [board] of boards) board.hidden = true;  // drawing measures, and hidden parts cost nothing
    const empty = boards.map(([, inside]) => {
      const before = shown;
      for (const table of inside) {
        table.draw();
        shown += ranked(table, { search: "applied" });
        count += ranked(table, {});
      }
      return shown === before && inside.length > 0;
    });
    boards.forEach(([board], place) => { board.hidden = empty[place]; });
    find("output", filters).textContent = shown === count ? `${count} rows` : `${shown} of ${count} rows`;
  };
  const restore = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (location.hash && !fields.some(({ name }) => wanted.has(name))) return;  // the place of a section
    for (const field of fields) {
      field.value = wanted.get(field.name) ?? "";
      if (!field.value) field.value = "";  // a choice that does not exist (any more): all
    }
    update();
  };
  for (const [board, inside] of boards) for (const table of inside) {
    table.search.fixed("filters", (_, __, index) => fits(table.row(index).node(), board));
  }
  let waiting;
  filters.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => {
    update();
    const chosen = new URLSearchParams(fields.filter(({ value }) => value).map(({ name, value }) => [name, value]));
    history.replaceState(null, "", `${location.href.split("#")[0]}${chosen.size ? `#${chosen}` : ""}`);
  }, 120); });
  filters.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", restore);
  update();
  if (location.hash) restore();
}

// ---- Samples
const CUT = 700;  // characters of a text that are shown at first
const STEP = 20000;  // and at each further request: a megabyte at once would freeze the page
const ROWS = 12;
const SIGNS = 8;  // of a sample in the list, one a model: there is no room for more
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;
const TONES = { good: "✓", mid: "~", bad: "✗", none: "·" };
const tone = (value) => value === null ? "none" : value >= 2 / 3 ? "good" : value < 1 / 3 ? "bad" : "mid";

// A text of anybody's: as text, its unseen characters written out, long ones cut.
function shown(text) {
  const box = make("div", { class: "text", dir: "auto" });
  let end = 0;
  const more = (step) => {
    const part = text.slice(end, end + step);
    end += step;
    let last = 0;
    for (const found of part.matchAll(UNSEEN)) {
      const name = `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
      box.append(part.slice(last, found.index), make("span", { class: "unseen" }, `[${name}]`));
      last = found.index + found[0].length;
    }
    box.append(part.slice(last));
  };
  more(CUT);
  if (!text.trim()) box.replaceChildren(make("span", { class: "muted" }, "(no text)"));
  if (end >= text.length) return [box];
  const label = () => text.length - end > STEP ? `Show ${STEP.toLocaleString("en")} more of ${text.length.toLocaleString("en")} characters` : `Show all ${text.length.toLocaleString("en")} characters`;
  const button = make("button", { type: "button", class: "button", click: () => {
    box.classList.add("long");
    box.tabIndex = 0;
    more(STEP);
    button.textContent = label();
    if (end >= text.length) { button.remove(); box.focus(); }
  } }, label());
  return [box, button];
}

function browse(root) {
  const data = JSON.parse(find('script[type="application/json"]', root).textContent);
  const say = (index) => data.texts[index];
  const items = data.items.map(([key, target, slice, image, question, truth, goal, change, answers]) => ({
    key: say(key), target: say(target), slice: say(slice), image: say(image), change: say(change), texts: [key, question, truth, goal],
    answers: answers.map(([model, text, outcome, value, how]) => ({ model: say(model), text, outcome: say(outcome), value, how })),
  }));
  const form = find("form", root), list = find("ol", root), sample = find(".sample", root);
  const [before, after] = all(".pager button", root);
  let hits = items, at = 0, first = -1;

  const illustrated = Object.keys(data.images).length > 0;
  list.classList.toggle("plain", !illustrated);
  const picture = (item, size) => data.images[item.image]
    ? make("img", { src: data.images[item.image], alt: size ? `Image ${item.image}` : "", width: size, height: size })
    : size ? "" : make("span", { class: "blank" });
  const asked = (item) => item.answers.filter(({ model }) => !form.model.value || model === form.model.value);

  function filter() {
    const words = form.text.value.toLowerCase().trim();
    const found = words ? data.texts.map((text) => text.toLowerCase().includes(words)) : null;
    hits = items.filter((item) => {
      const answers = asked(item);
      return (!form.target.value || item.target === form.target.value)
        && (!form.slice.value || item.slice === form.slice.value)
        && (!form.change?.value || item.change === form.change.value)
        && answers.some(({ outcome }) => !form.outcome.value || outcome === form.outcome.value)
        && (!found || item.texts.some((text) => found[text]) || answers.some(({ text }) => found[text]));
    });
    first = -1;
    choose(0, { link: false });
    find(".live", root).textContent = `${hits.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} samples`;
  }

  function choose(index, { focus = false, link = true } = {}) {
    at = Math.max(0, Math.min(index, hits.length - 1));
    const start = at - at % ROWS;
    if (start !== first) {
      first = start;
      const page = hits.slice(start, start + ROWS);
      list.replaceChildren(...page.map(row));
      find(".whose", root).replaceChildren(...whose(page));
      list.scrollLeft = 0;
      find(".pager span", root).textContent = hits.length ? `${start + 1}–${Math.min(start + ROWS, hits.length)} of ${hits.length.toLocaleString("en")}` : "none";
      before.disabled = start === 0;
      after.disabled = start + ROWS >= hits.length;
    }
    all(".pick", list).forEach((button, place) => {
      const current = place === at - start;
      button.setAttribute("aria-current", current);
      button.tabIndex = current ? 0 : -1;
      if (current && focus) button.focus();
      if (current && link) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    const item = hits[at];
    sample.replaceChildren(...(item ? card(item) : [make("p", {}, "No sample fits these filters.")]));
    if (item && link) history.replaceState(null, "", `#sample=${encodeURIComponent(item.key)}&target=${encodeURIComponent(item.target)}`);
  }

  // Whose the signs in the list are: a line, or one a target where the targets have other models.
  const whose = (page) => [...new Map(page.map((item) => [asked(item).slice(0, SIGNS).map(({ model }) => model).join(", "), item.target]))]
    .map(([models, target], _, { length }) => make("p", {}, `Signs${length > 1 ? ` of ${target}` : ""}, left to right: `, make("b", {}, models)));

  function row(item, place) {
    const answers = asked(item);
    const tones = answers.slice(0, SIGNS).map(({ model, value, outcome }) =>
      make("span", { class: `tone ${tone(value)}`, title: `${model}: ${outcome}` }, TONES[tone(value)]));
    const label = `${item.key}, ${item.slice}: ${answers.map(({ model, outcome }) => `${model} ${outcome}`).join(", ")}`;
    return make("li", {}, make("button", { type: "button", class: "pick", "aria-label": label, click: () => choose(first + place) },
      illustrated ? picture(item, null) : "", make("span", { class: "key" }, item.key),
      make("span", { class: "sub" }, make("span", {}, item.slice), make("span", { class: "tones" }, ...tones))));
  }

  function card(item) {
    const step = (by, text) => make("button", { type: "button", class: "button", [at + by < 0 || at + by >= hits.length ? "disabled" : "data-step"]: by, click: () => {
      choose(at + by);
      (find(`[data-step="${by}"]`, sample) ?? find("[data-step]", sample) ?? sample).focus();  // focus stays where it was
    } }, text);
    const [, question, truth, goal] = item.texts;
    const facts = [["Question", question], ["Truth", truth], ["Goal’s answer", goal]].filter(([name, text]) => name !== "Goal’s answer" || say(text));
    const image = picture(item, 160);
    return [
      make("header", {}, make("h3", {}, item.key), make("span", { class: "mark" }, item.target), make("span", { class: "mark" }, item.slice),
        item.change && make("span", { class: `mark ${{ better: "good", worse: "bad" }[item.change] ?? ""}` }, item.change),
        make("span", { class: "steps" }, step(-1, "Previous"), step(1, "Next"))),
      make("div", { class: image ? "asked" : "asked plain" }, image,
        make("dl", {}, ...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, ...shown(say(text)))]))),
      make("ul", { class: "answers" }, ...asked(item).map(({ model, text, outcome, value, how }) => make("li", { class: "answer" },
        make("div", { class: "who" }, make("b", {}, model), make("span", { class: `mark ${tone(value)}` }, `${TONES[tone(value)]} ${outcome}`), make("span", {}, say(how))),
        ...shown(say(text))))),
    ];
  }

  function open() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (!wanted.has("sample")) return;
    const fits = (item) => item.key === wanted.get("sample") && (!wanted.has("target") || item.target === wanted.get("target"));
    if (!hits.some(fits)) { form.reset(); filter(); }
    const index = hits.findIndex(fits);
    if (index < 0) find(".live", root).textContent = `${wanted.get("sample")} is not among the samples of this page`;
    else choose(index, { link: false });
    (index < 0 ? find(".live", root) : sample).scrollIntoView({ block: "start", behavior: "instant" });
    if (index >= 0) sample.focus({ preventScroll: true });
  }

  let waiting;
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  form.addEventListener("submit", (event) => event.preventDefault());
  before.addEventListener("click", () => choose(first - ROWS));
  after.addEventListener("click", () => choose(first + ROWS));
  const keys = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: ROWS, PageUp: -ROWS, Home: -Infinity, End: Infinity };
  list.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    choose(at + keys[event.key], { focus: true });
  });
  window.addEventListener("hashchange", open);
  filter();
  open();
}
for (const root of all(".browser")) browse(root);
