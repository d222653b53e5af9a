
// What the tables say of carriers, accounts and shards, and what of it needs attention.

// A table whose rows are kept by their names, and whose cells change only where what they say does.
class Table {
  constructor(element, columns, rowsOf) {
    Object.assign(this, { element, columns, rowsOf, rows: new Map(), sorted: null, most: 200 });
    this.heads = columns.map((column) => {
      const button = make("button", { type: "button" }, column.name);
      const head = make("th", { scope: "col", class: column.text ? "" : "count" }, column.value ? button : column.name);
      button.addEventListener("click", () => this.sort(column));
      return head;
    });
    this.body = make("tbody");
    this.rest = make("caption", { class: "more", hidden: "" });
    element.append(this.rest, make("thead", {}, make("tr", {}, ...this.heads)), this.body);
  }

  sort(column) {
    const isSorted = this.sorted?.column === column;
    this.sorted = isSorted && this.sorted.up === Boolean(column.text) ? { column, up: !column.text }
      : isSorted && this.sorted.up !== Boolean(column.text) ? null : { column, up: Boolean(column.text) };
    this.heads.forEach((head, at) => {
      if (this.sorted?.column !== this.columns[at]) return head.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", this.sorted.up ? "ascending" : "descending");
    });
    this.show(this.told);
  }

  show(things) {
    this.told = things;
    if (this.sorted) {
      const { column, up } = this.sorted;
      const order = (a, b) => (column.text ? a.name.localeCompare(b.name) : (column.value(a) ?? -1) - (column.value(b) ?? -1));
      things = [...things].sort((a, b) => (up ? order(a, b) : order(b, a)));
    }
    const shown = things.slice(0, this.most);
    this.rest.hidden = shown.length === things.length;
    say(this.rest, `${count(shown.length)} of ${count(things.length)} are shown: filter for others`);
    const left = new Set(this.rows.keys());
    let place = this.body.firstChild;
    for (const thing of shown) {
      left.delete(thing.name);
      let row = this.rows.get(thing.name);
      if (!row) this.rows.set(thing.name, (row = this.add(thing)));
      for (const element of row.elements) {
        if (element !== place) this.body.insertBefore(element, place);
        else place = place.nextSibling;
      }
      this.fill(row, thing);
    }
    for (const name of left) {
      this.rows.get(name).elements.forEach((element) => element.remove());
      this.rows.delete(name);
    }
  }

  add(thing) {
    const cells = this.columns.map((column, at) => {
      if (at === 0) return make("th", { scope: "row" });
      return make("td", { class: column.text ? "" : "count", "data-name": column.name });
    });
    const elements = [make("tr", {}, ...cells)];
    const row = { elements, cells, said: [] };
    if (this.rowsOf) {
      row.detail = make("td", { colspan: this.columns.length });
      elements.push(make("tr", { class: "detail" }, row.detail));
    }
    this.columns.forEach((column, at) => {
      if (!column.spark) return;
      row.spark = new Spark();
      cells[at].append(row.spark.element);
    });
    elements[0].dataset.name = thing.name;
    return row;
  }

  fill(row, thing) {
    row.elements.forEach((element, at) => { element.className = (at ? "detail " : "") + thing.level; });
    this.columns.forEach((column, at) => {
      if (column.spark) return row.spark.show(...column.spark(thing));
      const said = column.cell(thing), key = JSON.stringify(said);
      if (row.said[at] === key) return;
      row.said[at] = key;
      row.cells[at].replaceChildren(...parts(said));
    });
    if (!row.detail) return;
    const chips = this.rowsOf(thing), key = JSON.stringify(chips);
    if (row.chips === key) return;
    row.chips = key;
    const elements = chips.map(({ level, state, text }) => make("span", { class: level }, make("b", {}, state), text));
    row.detail.replaceChildren(make("div", { class: "links" }, ...elements));
  }
}

// A cell's text, what stands below it, and how full something is.
function parts(said) {
  if (typeof said === "string") return [said];
  const { text, level, below, full, isRate } = said;
  const all = [level ? make("span", { class: level }, text) : text];
  if (below) all.push(make("small", { class: said.belowLevel ?? "" }, below));
  if (full != null) {
    const bar = make("i");
    bar.style.width = `${Math.min(100, Math.max(0, full * 100))}%`;
    all.push(make("span", { class: `bar ${full >= 0.95 && !isRate ? "bad" : full >= 0.8 ? "warn" : ""}` }, bar));
  }
  return all;
}

const sum = (counts) => Object.values(counts ?? {}).reduce((all, one) => all + one, 0);
const of = (number, limit) => ({ text: count(number), below: limit == null ? "" : `of ${count(limit)}`, full: limit ? number / limit : null });
// To be at one's rate is nothing bad.
const limited = (number, limit) => ({ text: perSecond(number), below: limit == null ? "" : `of ${count(limit)}`, full: limit ? number / limit : null, isRate: true });
const some = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;
const timely = (number, in99) => ({ text: perSecond(number), below: in99 == null ? "" : `99 % in ${millis(in99)}` });
const red = (number, level = "bad") => ({ text: perSecond(number), level: number > 0 ? level : undefined });
const words = (label) => label.replaceAll("_", " ");

function mostly(rates) {
  const [label, most] = Object.entries(rates).reduce((one, other) => (other[1] > one[1] ? other : one), ["", 0]);
  return most > 0 ? words(label) : "";
}

const bound = (carrier) => carrier.links.filter((link) => link.state === "bound").length;

const carrierColumns = [
  { name: "Carrier", text: true, value: (c) => c.name, cell: (c) => ({ text: c.name, below: c.standing, belowLevel: c.level }) },
  { name: "Links", value: (c) => bound(c), cell: (c) => `${bound(c)} of ${c.links.length}` },
  { name: "Submits/s", value: (c) => c.per.submits, cell: (c) => limited(c.per.submits, c.rate ?? c.configured_rate) },
  { name: "Accepted/s", value: (c) => c.per.ok, cell: (c) => timely(c.per.ok, c.per.in99) },
  { name: "Refused/s", value: (c) => c.per.refused, cell: (c) => ({ ...red(c.per.refused, "warn"), below: mostly(c.per.reasons) }) },
  { name: "Receipts/s", value: (c) => c.per.receipts, cell: (c) => perSecond(c.per.receipts) },
  { name: "Queued", value: (c) => c.queued, cell: (c) => of(c.queued, c.queue) },
  { name: "Outstanding", value: (c) => c.outstanding, cell: (c) => of(c.outstanding, bound(c) * c.window || null) },
  { name: "Receipts awaited", value: (c) => c.receipts_outstanding, cell: (c) => count(c.receipts_outstanding) },
  { name: "In doubt", value: (c) => c.in_doubt, cell: (c) => ({ text: count(c.in_doubt), level: c.fresh.in_doubt ? "bad" : undefined }) },
  { name: "Five minutes", spark: (c) => c.recent },
];

const accountColumns = [
  { name: "Account", text: true, value: (a) => a.name, cell: (a) => ({ text: a.name, below: a.standing, belowLevel: a.level }) },
  { name: "Sessions", value: (a) => a.sessions, cell: (a) => of(a.sessions, a.max_binds) },
  { name: "Submits/s", value: (a) => a.per.submits, cell: (a) => limited(a.per.submits, a.rate) },
  { name: "Accepted/s", value: (a) => a.per.accepted, cell: (a) => timely(a.per.accepted, a.per.in99) },
  { name: "Refused/s", value: (a) => a.per.refused, cell: (a) => ({ ...red(a.per.refused, "warn"), below: mostly(a.per.reasons) }) },
  { name: "Outstanding", value: (a) => a.outstanding, cell: (a) => of(a.outstanding, a.window) },
  { name: "Delivered/s", value: (a) => a.per.delivered, cell: (a) => perSecond(a.per.delivered) },
  { name: "Deliveries waiting", value: (a) => a.waiting, cell: (a) => of(a.waiting, a.deliveries.limit) },
  { name: "Stored", value: (a) => a.stored, cell: (a) => count(a.stored) },
  { name: "Quota", value: (a) => a.quota?.day?.used, cell: (a) => {
    const [period, quota] = Object.entries(a.quota ?? {}).find(([, of]) => of.limit != null) ?? [];
    return quota ? { ...of(quota.used, quota.limit), below: `of ${count(quota.limit)} a ${period}` } : DASH;
  } },
  { name: "Five minutes", spark: (a) => a.recent },
];

const shardColumns = [
  { name: "Shard", text: true, value: (s) => s.name, cell: (s) => ({ text: s.name, below: s.standing, belowLevel: s.level }) },
  { name: "Home of", cell: (s) => s.answers ? { text: some(s.carriers, "carrier"), below: some(s.accounts, "account") } : DASH },
  { name: "Busy", value: (s) => s.per.busy, cell: (s) => s.per.busy == null ? DASH
    : { text: `${Math.round(s.per.busy * 100)} %`, full: s.per.busy, below: s.per.late == null ? "" : `late by ${millis(s.per.late)}` } },
  { name: "PDUs/s", value: (s) => s.per.pdus, cell: (s) => perSecond(s.per.pdus) },
  { name: "Read/s", value: (s) => s.per.read, cell: (s) => bytes(s.per.read) },
  { name: "Written/s", value: (s) => s.per.written, cell: (s) => bytes(s.per.written) },
  { name: "Turns/s", value: (s) => s.per.turns, cell: (s) => perSecond(s.per.turns) },
  { name: "Commits/s", value: (s) => s.per.commits, cell: (s) => ({ text: perSecond(s.per.commits), below: s.per.records > 0 ? `${perSecond(s.per.records)} records` : "" }) },
  { name: "A commit", value: (s) => s.per.commit, cell: (s) => ({ text: millis(s.per.commit), below: s.per.commit99 == null ? "" : `99 % in ${millis(s.per.commit99)}` }) },
  { name: "Store", value: (s) => s.store?.bytes, cell: (s) => s.store ? { text: bytes(s.store.bytes), below: s.store.has_room ? `${bytes(s.store.live_bytes)} live` : "no room", belowLevel: s.store.has_room ? "" : "bad" } : DASH },
  { name: "Protocol errors", value: (s) => s.protocol_errors, cell: (s) => ({ text: count(s.protocol_errors), level: s.fresh.errors ? "warn" : undefined }) },
  { name: "Connections", value: (s) => s.connections?.open, cell: (s) => s.connections ? { text: count(s.connections.open), below: s.connections.http ? `and ${count(s.connections.http)} HTTP` : "" } : "" },
];

// The links of a carrier: those in trouble first, and no more than a screen holds.
function chips(carrier) {
  const told = carrier.links.map((link) => {
    const withheld = link.order !== "active" && link.order !== "stopped" ? `, ${link.order}` : "";
    const since = link.bound_since ? ` since ${moment(link.bound_since)}, ${count(link.outstanding)} outstanding` : "";
    const down = link.last_down && !link.bound_since ? `: ${words(link.last_down.why)} at ${moment(link.last_down.at)}` : "";
    const retry = link.retry_in_ms != null ? `, again in ${span(link.retry_in_ms / 1000)}` : "";
    const level = link.order === "stopped" || link.state === "off" ? "off" : link.state !== "bound" ? "bad" : withheld ? "warn" : "ok";
    return { level, state: `Link ${link.link} ${link.state}${withheld}`, text: `${since}${down}${retry} · ${link.bind} ${link.address}` };
  });
  const rank = ({ level }) => ["bad", "warn", "off", "ok"].indexOf(level);
  const first = [...told].sort((a, b) => rank(a) - rank(b)).slice(0, 12);
  const rest = told.length - first.length;
  return rest ? [...first, { level: "off", state: `and ${rest} more`, text: "" }] : first;
}
