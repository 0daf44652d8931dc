"use strict";
// Shows the lists of the report. Every string is put in as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const STEP = 50;
  const plain = new Intl.NumberFormat("en");
  const count = (value) => (value === null || value === undefined ? "" : plain.format(value));
  const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
  const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== "") element.append(child);
    return element;
  }
  const foreign = (text, tag = "bdi", kind = null) => make(tag, { class: kind, dir: "auto" }, text);
  const named = (title, source) => [
    foreign(title || source, "span", "heading"), title ? foreign(source, "span", "source") : null];
  const pairs = (entries) => make("dl", { class: "evidence" }, entries
    .filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([name, value]) => make("div", null, make("dt", null, name), make("dd", null, value))));

  // Sets the numbers and names that matter in bold, where they stand as whole words.
  function emphasised(text, all) {
    const words = all.filter((word) => word.length > 1 || /\p{N}/u.test(word));
    const parts = [];
    let from = 0;
    const letter = /[\p{L}\p{N}]/u;
    while (words.length) {
      const next = words.map((word) => [text.indexOf(word, from), word]).filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0] || b[1].length - a[1].length)[0];
      if (!next) break;
      const [at, word] = next;
      const whole = !letter.test(text[at - 1] || "") && !letter.test(text[at + word.length] || "");
      parts.push(text.slice(from, at), whole ? make("b", null, word) : word);
      from = at + word.length;
    }
    return [...parts, text.slice(from)];
  }

  // One side of a comparison: shared sentences dimmed, its own marked, runs of shared ones folded.
  function side(title, pieces, own, label, words) {
    const text = make("div", { class: "text" });
    for (const piece of pieces) {
      if (piece.gap) text.append(make("p", { class: "gap" }, piece.gap === 1 ? "one more shared sentence" : `${count(piece.gap)} more shared sentences`));
      else if (piece.cut) text.append(make("p", { class: "gap" }, `${count(piece.cut)} more ${piece.cut === 1 ? "sentence" : "sentences"} not shown here`));
      else if (piece.shared) text.append(make("p", { class: "shared", dir: "auto" }, piece.text));
      else text.append(make("p", { dir: "auto" }, make("mark", { class: own }, make("span", { class: "hidden" }, label), emphasised(piece.text, words))));
    }
    return make("div", { class: "side" }, make("h5", null, title), text);
  }

  function memberView(member) {
    const lost = member.lost_sentence_count;
    const parts = [
      make("h4", null, make("span", { class: `chip ${member.relation}` }, member.relation), " ", foreign(member.title || member.source)),
      foreign(member.source, "span", "source"),
      pairs([["Jaccard", score(member.jaccard)], ["dropped covered by kept", share(member.coverage)],
        ["kept covered by dropped", share(member.coverage_back)], ["characters, dropped", count(member.dropped_characters)],
        ["kept", count(member.kept_characters)], ["risk", member.risk.toFixed(0)]]),
      make("p", null, foreign(member.why || "")),
    ];
    for (const [name, values] of [["Numbers", member.lost_numbers], ["Names", member.lost_names]]) {
      if (values.length) parts.push(make("p", null, `${name} only in the dropped text: `, values.map((value) => [make("mark", null, foreign(value)), " "])));
    }
    if (member.sides) {
      parts.push(make("p", null, lost ? `What you would lose: ${count(lost)} ${lost === 1 ? "sentence" : "sentences"}.` : "No whole sentence would be lost."));
      parts.push(make("div", { class: "sides" },
        side("Dropped", member.sides.dropped, "lost", "only in the dropped text: ", [...member.lost_numbers, ...member.lost_names]), side("Kept", member.sides.kept, "only", "only in the kept text: ", [])));
      if (!member.sides.whole) parts.push(make("p", { class: "dim" }, "Only the first part is shown here; the review shows all of it."));
    } else if (member.lost_sentences.length) {
      parts.push(make("p", null, `What you would lose: ${count(lost)} ${lost === 1 ? "sentence" : "sentences"}.`));
      parts.push(make("div", { class: "text" }, member.lost_sentences.map((text) => make("p", { dir: "auto" }, make("mark", null, text)))));
    } else parts.push(make("p", { class: "dim" }, "Nothing is lost: the kept text says all of it."));
    return make("div", { class: "member" }, parts);
  }

  // A card is filled when it is first opened: five hundred closed ones cost nothing.
  function card(summary, fill, open) {
    const body = make("div", { class: "body" });
    const element = make("details", { class: "card" }, make("summary", null, summary), body);
    element.addEventListener("toggle", () => { if (element.open && !body.firstChild) body.append(...[fill()].flat()); });
    if (open) element.open = true;
    return element;
  }

  function clusterCard(cluster, index) {
    const relations = [...new Set(cluster.members.map((member) => member.relation))];
    const riskiest = cluster.members[0];
    const hidden = cluster.size - 1 - cluster.members.length;
    const high = cluster.risk >= 40;
    return card([
      make("span", { class: `risk${high ? " high" : ""}` }, make("span", { class: "hidden" }, "risk "), cluster.risk.toFixed(0)),
      make("span", null, named(cluster.kept.title, cluster.kept.source)),
      make("span", { class: "chips" }, relations.map((name) => make("span", { class: `chip ${name}` }, name)), make("span", { class: "chip" }, `${count(cluster.size)} documents`)),
      riskiest.reasons.length ? make("span", { class: "reasons" }, riskiest.reasons.join(" · ")) : null,
    ], () => [
      make("p", null, "Kept: ", foreign(cluster.kept.source), ` (${count(cluster.kept.characters)} characters${cluster.kept.date ? `, ${cluster.kept.date}` : ""}).`,
        cluster.kept.why ? make("span", { class: "dim" }, " Why this one: ", foreign(cluster.kept.why)) : ""),
      ...cluster.members.map(memberView),
      hidden > 0 ? make("p", { class: "dim" }, `${count(hidden)} more documents in this cluster; the review lists them.`) : "",
    ], index === 0);
  }

  function exampleView(example) {
    return make("div", { class: "example" },
      make("div", { class: "text", dir: "auto" }, example.left ? `…${example.left}` : "",
        example.action === "flagged" ? make("mark", null, example.before) : [make("del", null, make("span", { class: "hidden" }, "removed: "), example.before), example.after ? make("ins", null, example.after) : ""],
        example.right ? `${example.right}…` : ""),
      foreign(example.source, "span", "source"));
  }

  function ruleCard(rule) {
    const actions = Object.entries(rule.actions).map(([name, many]) => `${count(many)} ${name}`).join(", ");
    return card([
      make("span", { class: "risk" }, count(rule.examples.length), make("span", { class: "hidden" }, " examples")),
      make("span", null, make("span", { class: "heading" }, `${rule.stage} / `, foreign(rule.rule))),
      make("span", { class: "chips" }, make("span", { class: "chip" }, `${count(rule.documents)} documents`), make("span", { class: "chip" }, actions)),
    ], () => rule.examples.length ? rule.examples.filter((example) => fits(example, "examples")).map(exampleView) : [make("p", null, "No example.")], false);
  }

  const row = (cells) => make("tr", null, cells.map((cell) => (cell instanceof Node && cell.tagName === "TD" ? cell : make("td", null, cell))));
  const figure = (text) => make("td", { class: "n" }, text);
  const lists = {
    clusters: { rows: data.clusters, view: clusterCard, noun: "clusters", sites: (c) => [c.kept.site, ...c.members.map((m) => m.site)],
      relations: (c) => c.members.map((m) => m.relation),
      words: (c) => [c.kept.source, c.kept.title, ...c.members.flatMap((m) => [m.source, m.title, ...m.lost_sentences])] },
    related: { rows: data.related.closest, noun: "pairs", words: (p) => [p.source_a, p.source_b],
      view: (p) => row([make("span", null, foreign(p.source_a, "span", "source"), foreign(p.source_b, "span", "source")), figure(score(p.jaccard)), figure(`${share(p.coverage_a)} / ${share(p.coverage_b)}`), foreign(p.why || "")]) },
    rules: { rows: data.removed.by_rule, view: ruleCard, noun: "rules", rules: (r) => `${r.stage}/${r.rule}`, sites: (r) => r.examples.map((e) => e.site),
      words: (r) => [r.rule, ...r.examples.flatMap((e) => [e.source, e.before])] },
    examples: { sites: (e) => [e.site], words: (e) => [e.source, e.before] },
    documents: { rows: data.removed.documents, noun: "documents", sites: (d) => [d.site], words: (d) => [d.source],
      view: (d) => row([make("span", null, foreign(d.source), " ", d.status === "kept" ? "" : make("span", { class: "chip" }, d.status)), foreign(d.site || ""), figure(share(d.share)), figure(count(d.removed)), figure(count(d.characters_out))]) },
    unusable: { rows: data.unusable.documents, noun: "documents", sites: (d) => [d.site], words: (d) => [d.source, d.reason],
      view: (d) => row([foreign(d.source), make("span", { class: `chip ${d.status}` }, d.status), foreign(d.reason || ""), figure(count(d.characters_in))]) },
    learned: { rows: data.learned.commonest, noun: "lines", sites: (l) => [l.site], words: (l) => [l.line, l.example_source],
      view: (l) => row([foreign(l.line, "span", "text"), foreign(l.site || "not known"), figure(count(l.documents)), foreign(l.example_source || "", "span", "source")]) },
  };

  const filters = Object.fromEntries(["text", "site", "relation", "rule"].map((name) => [name, document.getElementById(`filter-${name}`)]));
  // A filter that a list knows nothing of (a rule for clusters) leaves that list alone.
  function fits(item, name) {
    const list = lists[name];
    const { text, site, relation, rule } = Object.fromEntries(Object.entries(filters).map(([key, field]) => [key, field.value]));
    if (site && list.sites && !list.sites(item).includes(site)) return false;
    if (relation && list.relations && !list.relations(item).includes(relation)) return false;
    if (rule && list.rules && list.rules(item) !== rule) return false;
    const wanted = text.trim().toLowerCase();
    if (wanted && !(name === "rules" && list.rules(item).toLowerCase().includes(wanted))) {
      return list.words(item).some((word) => word && word.toLowerCase().includes(wanted));
    }
    return true;
  }

  function show(name, limit = STEP) {
    const holder = document.querySelector(`[data-list="${name}"]`);
    if (!holder) return;
    const list = lists[name];
    const target = holder.tagName === "TABLE" ? holder.tBodies[0] : holder;
    const found = list.rows.filter((item) => fits(item, name));
    target.replaceChildren(...found.slice(0, limit).map((item, index) => list.view(item, index)));
    const told = document.querySelector(`[data-shown="${name}"]`);
    if (told) told.textContent = !list.rows.length ? "None." : `${count(Math.min(limit, found.length))} of ${count(found.length)} ${list.noun}${found.length === list.rows.length ? "" : ` that fit, of ${count(list.rows.length)}`}`;
    const place = holder.tagName === "TABLE" ? holder.parentElement : holder;
    if (place.nextElementSibling && place.nextElementSibling.classList.contains("more")) place.nextElementSibling.remove();
    if (holder.tagName === "TABLE") place.hidden = !found.length;
    if (found.length > limit) {
      const more = make("button", { type: "button", class: "more" }, `Show ${count(Math.min(STEP, found.length - limit))} more`);
      more.addEventListener("click", () => show(name, limit + STEP));
      place.after(more);
    }
  }
  const showAll = () => Object.keys(lists).forEach((name) => lists[name].rows && show(name));

  function options(field, values) {
    for (const value of [...new Set(values.filter(Boolean))].sort()) field.append(make("option", { value }, value));
  }
  options(filters.site, Object.values(lists).flatMap((list) => (list.rows && list.sites ? list.rows.flatMap(list.sites) : [])));
  options(filters.relation, data.clusters.flatMap(lists.clusters.relations));
  options(filters.rule, data.removed.by_rule.map(lists.rules.rules));
  let waiting = 0;
  filters.text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(showAll, 120); });
  for (const name of ["site", "relation", "rule"]) filters[name].addEventListener("change", showAll);
  const form = document.querySelector(".filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(showAll));
  showAll();
})();
