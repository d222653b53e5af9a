
// Asks for the status once a second, and shows it.

const EVERY_MS = 1000, RATE_MS = 3000, FRESH_MS = 60000, PATIENCE_MS = 8000;
const by = (id) => document.getElementById(id);
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* not kept, then */ } };
const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

let token = null;
try { token = sessionStorage.getItem("token"); } catch { /* asked for again */ }
let statuses = [], recent = null, answeredAt = null, filter = "";
// When a count that should stand still grew last.
const grown = new Map();

class NotLetIn extends Error {}

async function ask(path) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401) throw new NotLetIn();
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).trim()}`);
  return answer.json();
}

async function askRecent() {
  const next = recent ? recent.first + recent.at_ms.length : 0;
  const more = await ask(`status/recent?after=${next}`);
  if (next && more.started !== recent.started) return ask("status/recent?after=0");
  return next && more.first === next ? joined(recent, more) : more;
}

// What was known with what came since; who is not told of was quiet.
function joined(before, more) {
  const length = before.at_ms.length, came = more.at_ms.length, over = Math.max(0, length + came - more.kept);
  const quiet = (times) => new Array(times).fill(0);
  const columns = (old, young) => Object.fromEntries(Object.keys(old ?? young).map((name) =>
    [name, [...(old?.[name] ?? quiet(length)), ...(young?.[name] ?? quiet(came))].slice(over)]));
  const family = (name) => {
    const things = new Set([...Object.keys(before[name].each), ...Object.keys(more[name].each)]);
    const each = [...things].map((thing) => [thing, columns(before[name].each[thing], more[name].each[thing])]);
    return { all: columns(before[name].all, more[name].all), each: Object.fromEntries(each) };
  };
  return {
    ...more, first: before.first + over, at_ms: [...before.at_ms, ...more.at_ms].slice(over),
    accounts: family("accounts"), carriers: family("carriers"), shards: family("shards"),
    stages: Object.fromEntries(Object.entries(more.stages).map(([name, stage]) => [name, columns(before.stages[name], stage)])),
  };
}

// Whether a count grew within the last minute, as far as this page saw.
function isFresh(name, now, before) {
  if (before != null && now > before) grown.set(name, Date.now());
  return Date.now() - (grown.get(name) ?? -Infinity) < FRESH_MS;
}

// What there is to know of each thing beside what the status says: its rates, its plot, how it stands.
function read(status) {
  statuses.push(status);
  while (statuses.length > 2 && status.now_ms - statuses[1].now_ms >= RATE_MS) statuses.shift();
  if (statuses[0].started !== status.started) statuses = [status];
  const first = statuses[0], seconds = (status.now_ms - first.now_ms) / 1000;
  const last = statuses.at(-2);
  const things = (family, key, rates, fresh) => {
    const earlier = new Map((first[family] ?? []).map((thing) => [thing[key], thing]));
    const previous = new Map((last?.[family] ?? []).map((thing) => [thing[key], thing]));
    return status[family].map((thing) => {
      const then = earlier.get(thing[key]);
      const rate = (of) => (seconds > 0 && then && then.answers !== false && thing.answers !== false ? (of(thing) - of(then)) / seconds : null);
      const since = (of, share) => within(seconds > 0 && then && then.answers !== false && thing.answers !== false
        ? of(thing).map((number, at) => number - of(then)[at]) : null, share, status.bounds_us);
      const is = (what, of) => thing.answers !== false && isFresh(`${family} ${thing[key]} ${what}`, of(thing), previous.has(thing[key]) ? of(previous.get(thing[key])) : null);
      return { ...thing, name: String(thing[key]), per: rates(rate, thing, since), fresh: fresh(is) };
    });
  };
  const spark = (family, thing) => {
    const of = recent[family].each[thing.name];
    const quiet = new Array(recent.at_ms.length).fill(0);
    return [of?.submits ?? quiet, of?.refused ?? quiet, recent.kept];
  };
  const carriers = things("carriers", "carrier", (rate, carrier, since) => {
    const reasons = {
      throttled: rate((c) => c.answers.throttled ?? 0), "not answered": rate((c) => c.timeouts),
      "for now": rate((c) => c.answers.temporary ?? 0), "for good": rate((c) => c.answers.error ?? 0),
    };
    const refused = Object.values(reasons).includes(null) ? null : sum(reasons);
    return { submits: rate((c) => c.submits), ok: rate((c) => c.answers.ok ?? 0), reasons, refused, receipts: rate((c) => sum(c.receipts)),
      in99: since((c) => c.answered, 0.99) };
  }, (is) => ({ in_doubt: is("in doubt", (c) => c.in_doubt), timeouts: is("timeouts", (c) => c.timeouts) }));
  const accounts = things("accounts", "account", (rate, account, since) => ({
    submits: rate((a) => a.submits), accepted: rate((a) => a.accepted), in99: since((a) => a.answered, 0.99), refused: rate((a) => sum(a.refused)),
    reasons: Object.fromEntries(Object.keys(account.refused).map((why) => [why, rate((a) => a.refused[why] ?? 0)])),
    delivered: rate((a) => a.receipts_delivered + a.mo_delivered + a.callbacks.told),
  }), (is) => ({ lost: is("deliveries refused", (a) => a.deliveries.refused), told: is("told", (a) => a.callbacks.told) }));
  const shards = things("shards", "shard", (rate, shard, since) => ({
    pdus: rate((s) => s.pdus_read), read: rate((s) => s.read_bytes), written: rate((s) => s.written_bytes), turns: rate((s) => s.turns),
    busy: shard.answers ? rate((s) => s.busy_us / 1e6) : null, late: since((s) => s.late, 0.99),
    commits: rate((s) => s.store.commits), records: rate((s) => s.store.records),
    commit: since((s) => s.store.committed, 0.5), commit99: since((s) => s.store.committed, 0.99),
  }), (is) => ({ errors: is("errors", (s) => s.protocol_errors), panics: is("panics", (s) => s.panics),
    turnedAway: is("refused connections", (s) => sum(s.connections?.refused)), binds: is("refused binds", (s) => sum(s.binds_refused)) }));
  for (const carrier of carriers) carrier.recent = spark("carriers", carrier);
  for (const account of accounts) {
    account.recent = spark("accounts", account);
    account.waiting = account.deliveries.queued + account.callbacks.queued;
  }
  return { ...status, carriers, accounts, shards };
}

function lastDown(carrier) {
  const downs = carrier.links.map((link) => link.last_down).filter(Boolean);
  if (!downs.length) return "";
  const last = downs.reduce((one, other) => (other.at > one.at ? other : one));
  return `: ${words(last.why)} at ${moment(last.at)}`;
}

// Says of each thing how it stands, and lists what needs attention, the worst first.
function judge(status) {
  const troubles = [];
  const whole = (level, text) => troubles.push({ level, text });
  const said = (thing, what) => (level, text) => {
    troubles.push({ level, text: `${what} ${thing.name}: ${text}` });
    if (level === "bad" || thing.level !== "bad") thing.level = level;
  };
  const isUp = status.phase === "ready" || status.phase === "draining";
  if (status.not_live) whole("bad", `Not live: ${status.not_live}`);
  if (status.not_ready && ![status.phase, status.not_live].includes(status.not_ready)) whole(isUp ? "bad" : "warn", `Not ready: ${status.not_ready}`);
  else if (status.phase !== "ready") whole("warn", `It is ${status.phase}`);
  for (const shard of status.shards) {
    shard.level = isUp ? "ok" : "off";
    shard.standing = shard.answers ? "turns" : isUp ? "does not answer" : status.phase;
    const tell = said(shard, "Shard");
    if (!shard.answers && isUp) tell("bad", "does not answer; what is at home there is not shown");
    if (!shard.answers) continue;
    if (!shard.store.has_room) tell("bad", "its store has no room: submits are refused");
    if (shard.panics) tell(shard.fresh.panics ? "bad" : "warn", `${count(shard.panics)} panics were caught, see the log`);
    if (shard.fresh.turnedAway) tell("warn", `connections are turned away: ${Object.keys(shard.connections.refused).map(words).join(", ")}`);
    if (shard.fresh.binds) tell("warn", `binds are refused: ${Object.keys(shard.binds_refused).map(words).join(", ")}`);
  }
  for (const carrier of status.carriers) {
    const up = bound(carrier), all = carrier.links.length, tell = said(carrier, "Carrier");
    carrier.level = "ok";
    carrier.standing = up === all ? "up" : up ? "partly up" : "down";
    if (carrier.order === "stopped") [carrier.level, carrier.standing] = ["off", "off"];
    else if (carrier.order !== "active") {
      carrier.standing = carrier.order;
      tell("warn", `${carrier.order} by order`);
    } else if (status.phase !== "draining" && up === 0) tell("bad", `no link is bound${lastDown(carrier)}`);
    else if (status.phase !== "draining" && up < all) tell("warn", `${all - up} of ${all} links are down${lastDown(carrier)}`);
    if (carrier.rate != null && carrier.configured_rate != null && carrier.rate < carrier.configured_rate) {
      tell("warn", `slowed down to ${count(carrier.rate)} of ${count(carrier.configured_rate)} a second, for it throttles`);
    }
    if (carrier.queue && carrier.queued >= carrier.queue * 0.8) tell(carrier.queued >= carrier.queue ? "bad" : "warn", `its queue is ${Math.floor((carrier.queued / carrier.queue) * 100)} % full`);
    if (carrier.fresh.in_doubt) tell("bad", `submits are in doubt, ${count(carrier.in_doubt)} since the start`);
    if (carrier.fresh.timeouts) tell("warn", `submits are not answered in time, ${count(carrier.timeouts)} since the start`);
    if (carrier.per.submits > 0 && carrier.per.refused >= carrier.per.submits * 0.1) tell("warn", `${Math.round((carrier.per.refused / carrier.per.submits) * 100)} % of what it is sent it refuses, most: ${mostly(carrier.per.reasons)}`);
  }
  for (const account of status.accounts) {
    const tell = said(account, "Account"), { queued, limit } = account.deliveries;
    const isQuiet = !account.sessions && !account.per.submits;
    account.level = isQuiet ? "off" : "ok";
    account.standing = account.sessions ? "bound" : account.per.submits > 0 ? "by HTTP" : "no session";
    if (!account.enabled) [account.level, account.standing] = ["off", account.disabled_by_order ? "disabled by order" : "disabled"];
    else if (!account.submit) account.standing += ", may not submit";
    if (account.gone) account.standing = "gone from the file";
    if (limit && queued >= limit * 0.8) tell(queued >= limit ? "bad" : "warn", `its delivery queue is ${Math.floor((queued / limit) * 100)} % full`);
    else if (queued > 0 && !account.receivers && !account.gone) tell("warn", `${count(queued)} receipts and MO wait, and no session takes them`);
    if (queued > account.window && account.receivers && account.outstanding >= account.window) {
      tell("warn", `its window is full and it is not read on: ${count(queued)} receipts and MO wait behind its submits`);
    }
    if (account.fresh.lost) tell("bad", "receipts or MO are not taken, for its delivery queue is full");
    const { queued: untold, outstanding, retried } = account.callbacks;
    if (retried && untold > outstanding && !account.fresh.told) tell("warn", `its callback has taken none lately, and ${count(untold)} receipts and MO wait for it`);
    if (account.per.refused > 0 && account.per.refused >= account.per.submits * 0.1) {
      tell("warn", `${Math.round((account.per.refused / account.per.submits) * 100)} % of its submits are refused, most for: ${mostly(account.per.reasons)}`);
    }
    for (const [period, quota] of Object.entries(account.quota ?? {})) {
      if (quota.limit && quota.used >= quota.limit * 0.9) tell(quota.used >= quota.limit ? "bad" : "warn", `${Math.floor((quota.used / quota.limit) * 100)} % of its quota of the ${period} is used`);
    }
  }
  return troubles.sort((a, b) => (a.level === "bad" ? 0 : 1) - (b.level === "bad" ? 0 : 1));
}

const cores = ({ shards: { all } }) => all.busy_ns.map((busy) => (busy == null ? null : busy / 1e9));
const plots = [
  new Plot("From customers", " a second", perSecond, [
    { name: "submits", color: "one", of: (r) => r.accounts.all.submits }, { name: "refused", color: "bad", of: (r) => r.accounts.all.refused }]),
  new Plot("To carriers", " a second", perSecond, [
    { name: "submits", color: "one", of: (r) => r.carriers.all.submits }, { name: "refused or late", color: "bad", of: (r) => r.carriers.all.refused }]),
  new Plot("Receipts and MO", " a second", perSecond, [
    { name: "delivered", color: "three", of: (r) => r.accounts.all.delivered }, { name: "receipts read", color: "two", of: (r) => r.carriers.all.receipts }]),
  new Plot("Customers are answered", "", millis, [
    { name: "half within", color: "one", of: (r) => r.stages.submit.p50_ms }, { name: "99 % within", color: "two", of: (r) => r.stages.submit.p99_ms }]),
  new Plot("99 % of each stage within", "", millis, [
    { name: "carrier", color: "one", of: (r) => r.stages.carrier.p99_ms }, { name: "queue", color: "two", of: (r) => r.stages.queue.p99_ms },
    { name: "commit", color: "three", of: (r) => r.stages.commit.p99_ms }]),
  new Plot("Waiting", "", count, [
    { name: "for carriers", color: "one", of: (r) => r.carriers.all.queued }, { name: "for answers", color: "three", of: (r) => r.carriers.all.outstanding },
    { name: "for customers", color: "two", of: (r) => r.accounts.all.deliveries }]),
  new Plot("Bound", "", count, [
    { name: "sessions", color: "one", of: (r) => r.accounts.all.sessions }, { name: "links", color: "three", of: (r) => r.carriers.all.links }]),
  new Plot("Cores busy", "", (number) => (number == null ? DASH : number.toFixed(2)), [{ name: "with shards", color: "one", of: cores }]),
];
const tables = {
  carriers: new Table(by("carriers"), carrierColumns, chips),
  accounts: new Table(by("accounts"), accountColumns),
  shards: new Table(by("shards"), shardColumns),
};
by("plots").append(...plots.map((plot) => plot.element));

function show(status) {
  const troubles = judge(status), worst = troubles[0]?.level ?? "ok";
  document.title = troubles.length ? `(${troubles.length}) Trunkline` : "Trunkline";
  const color = { ok: "%232e9e63", warn: "%23e0952b", bad: "%23d6333b" }[worst];
  const icon = `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${color}"/></svg>`;
  if (by("icon").getAttribute("href") !== icon) by("icon").setAttribute("href", icon);
  say(by("phase"), status.phase);
  by("phase").className = `badge ${status.not_live ? "bad" : status.not_ready ? "warn" : "ok"}`;
  const facts = [`node ${status.node}`, `version ${status.version}`, `up ${span(status.now_ms / 1000 - status.started)}`, `durability ${status.durability}`];
  if (by("facts").textContent !== facts.join("")) by("facts").replaceChildren(...facts.map((fact) => make("li", {}, fact)));
  const told = (troubles.length ? troubles : [{ level: "ok", text: "Nothing does." }]).slice(0, 20);
  if (troubles.length > 20) told.push({ level: "off", text: `and ${count(troubles.length - 20)} more` });
  const key = JSON.stringify(told);
  if (by("attention").dataset.key !== key) {
    by("attention").dataset.key = key;
    by("attention").replaceChildren(...told.map(({ level, text }) => make("li", { class: level }, text)));
  }
  for (const plot of plots) plot.show(recent);
  by("accounts-filter").hidden = status.accounts.length <= 10 && !filter;
  const accounts = status.accounts.filter((account) => account.name.toLowerCase().includes(filter));
  tables.carriers.show(status.carriers);
  tables.accounts.show(accounts);
  tables.shards.show(status.shards);
  for (const family of ["carriers", "accounts", "shards"]) say(by(`${family}-count`), count(status[family].length));
}

function stand(isThere, why) {
  by("main").classList.toggle("stale", !isThere);
  by("lost").hidden = isThere;
  if (!isThere) say(by("lost"), `No answer${answeredAt ? ` since ${clock(answeredAt)}` : ""}: ${why}`);
  say(by("live"), answeredAt ? `${isThere ? "live" : "was live"} ${clock(answeredAt)}` : "");
  if (!isThere) by("phase").className = "badge bad";
  if (!isThere) say(by("phase"), "no answer");
}

async function turn() {
  try {
    const [status, more] = await Promise.all([ask("status"), askRecent()]);
    [recent, answeredAt] = [more, Date.now()];
    show(read(status));
    by("main").hidden = false;
    by("door").hidden = true;
    stand(true);
  } catch (why) {
    if (!(why instanceof NotLetIn)) return stand(false, why.message);
    by("door").hidden = false;
    by("main").hidden = true;
    say(by("wrong"), token ? "It is not this one." : "");
    token = null;
    say(by("phase"), "locked");
  }
}

async function run() {
  // Nobody looks at a hidden page, and nobody is let in without a token.
  if (!document.hidden && by("door").hidden) await turn();
  setTimeout(run, EVERY_MS);
}

by("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = by("token").value;
  by("token").value = "";
  try { sessionStorage.setItem("token", token); } catch { /* asked for again */ }
  turn();
});
by("accounts-filter").addEventListener("input", (event) => { filter = event.target.value.toLowerCase(); });

const wishes = ["system", "dark", "light"], isDark = matchMedia("(prefers-color-scheme: dark)");
let wish = wishes.includes(kept("theme")) ? kept("theme") : "system";
function paint() {
  document.documentElement.dataset.theme = wish === "system" ? (isDark.matches ? "dark" : "light") : wish;
  say(by("theme"), { system: "◐ system", dark: "● dark", light: "○ light" }[wish]);
}
by("theme").addEventListener("click", () => { wish = wishes[(wishes.indexOf(wish) + 1) % 3]; keep("theme", wish); paint(); });
isDark.addEventListener("change", paint);
paint();
run();
