// The page: asks its node every few seconds and shows what it says. Names come from clients, so text is only ever set as text.
'use strict';

const interval = 5000;
const rows = 50;
const minutes = 15;
const state = { partitions: 0, groups: 0 };

const byId = id => document.getElementById(id);

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) made.append(child instanceof Node ? child : String(child));
  }
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const soft = text => element('span', { class: 'soft' }, text);
const cell = (content, kind) => element('td', { class: kind }, ...(Array.isArray(content) ? content : [content ?? '–']));

function fill(table, made, columns, nothing) {
  const body = byId(table).tBodies[0];
  body.replaceChildren(...(made.length ? made : [element('tr', {}, element('td', { class: 'soft', colspan: columns }, nothing))]));
}

const plural = (count, word) => count.toLocaleString('en') + ' ' + word + (count === 1 ? '' : 's');

function scaled(value, units, step) {
  let at = 0;
  while (Math.abs(value) >= step && at < units.length - 1) { value /= step; at++; }
  return (value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toPrecision(2)) + (units[at] ? ' ' + units[at] : '');
}

const known = value => value !== null && value !== undefined;
const bytes = value => known(value) && value >= 0 ? scaled(value, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'], 1024) : '–';
const number = value => known(value) ? scaled(value, ['', 'k', 'M', 'G'], 1000) : '–';
const perSecond = value => number(value) + '/s';
const bytesPerSecond = value => bytes(value) + '/s';

function milliseconds(value) {
  if (!known(value)) return '–';
  return value >= 1000 ? (value / 1000).toPrecision(3) + ' s' : Number(value.toPrecision(value < 1 ? 1 : 2)) + ' ms';
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 60) return Math.round(seconds) + ' s';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min';
  if (seconds < 172800) return Math.floor(seconds / 3600) + ' h';
  return Math.floor(seconds / 86400) + ' d';
}

// ---- charts

const sum = values => values.reduce((a, b) => a + b, 0);
const most = values => Math.max(...values);

/** Lays the nodes' samples beside each other by the clock: what all of them together did at each moment. */
function together(nodes, ring, join) {
  const reports = nodes.map(node => node.report && node.report.samples).filter(samples => samples && samples.end);
  if (!reports.length) return [];
  const step = reports[0].step;
  const end = Math.floor(most(reports.map(samples => samples.end)) / step);
  const count = minutes * 60 / step;
  const result = [];
  for (let back = count - 1; back >= 0; back--) {
    const values = [];
    for (const samples of reports) {
      const late = end - Math.floor(samples.end / step);
      // Nodes do not take their samples at the same moment: the newest of each counts as now.
      const value = samples[ring][samples[ring].length - 1 - (back - (late > 2 ? late : 0))];
      if (value !== undefined && value !== null) values.push(value);
    }
    result.push(values.length ? join(values) : null);
  }
  return result;
}

function line(values, top) {
  const width = values.length - 1;
  let path = '';
  let pen = false;
  values.forEach((value, i) => {
    if (value === null) { pen = false; return; }
    const y = (58 - 54 * value / top).toFixed(1);
    // A lone value between gaps is a short stroke.
    path += pen ? `L${i / width * 300} ${y}` : `M${Math.max(0, i / width * 300 - 0.8)} ${y}L${i / width * 300} ${y}`;
    pen = true;
  });
  return path;
}

/** The newest value that there is, if it is new. */
function last(values) {
  for (let i = values.length - 1; i >= Math.max(0, values.length - 3); i--) if (values[i] !== null) return values[i];
  return null;
}

function chart(title, form, series) {
  const top = Math.max(1e-9, ...series.flatMap(one => one.values.filter(value => value !== null))) || 1;
  const drawing = shape('svg', { viewBox: '0 0 300 60', preserveAspectRatio: 'none', role: 'img', 'aria-label': title });
  drawing.append(shape('line', { class: 'base', x1: 0, x2: 300, y1: 58, y2: 58 }));
  const classes = ['a', 'b'];
  series.forEach((one, i) => {
    if (!one.values.length) return;
    drawing.append(shape('path', { class: classes[i], d: line(one.values, top) }));
  });
  const now = element('b', {});
  const show = at => {
    now.replaceChildren(...series.flatMap((one, i) => {
      const text = (one.name ? one.name + ' ' : '') + form(at === null ? last(one.values) : one.values[at]);
      return [i ? ' · ' : '', element('span', { class: series.length > 1 ? 'key' : null }, text)];
    }));
  };
  show(null);
  const when = element('span', {}, 'now');
  const marker = shape('line', { class: 'at', y1: 0, y2: 60, x1: -9, x2: -9 });
  drawing.append(marker);
  const length = Math.max(0, ...series.map(one => one.values.length));
  drawing.addEventListener('pointermove', event => {
    if (!length) return;
    const box = drawing.getBoundingClientRect();
    const at = Math.min(length - 1, Math.max(0, Math.round((event.clientX - box.left) / box.width * (length - 1))));
    marker.setAttribute('x1', at / (length - 1) * 300);
    marker.setAttribute('x2', at / (length - 1) * 300);
    show(at);
    when.textContent = duration((length - 1 - at) * minutes * 60 / length) + ' ago';
    drawing.dataset.held = '1';
  });
  drawing.addEventListener('pointerleave', () => {
    marker.setAttribute('x1', -9);
    marker.setAttribute('x2', -9);
    show(null);
    when.textContent = 'now';
    delete drawing.dataset.held;
  });
  const highest = top <= 1e-9 ? 0 : top;
  return element('figure', {}, element('figcaption', {}, title, now), drawing,
    element('footer', {}, element('span', {}, minutes + ' min ago'), element('span', {}, 'most ' + form(highest)), when));
}

function charts(nodes) {
  if (document.querySelector('#charts svg[data-held]')) return; // Somebody is reading it.
  const ring = (name, join) => together(nodes, name, join);
  // Rates are of all nodes together, times those of the slowest.
  byId('charts').replaceChildren(
    chart('Clients', bytesPerSecond, [
      { name: 'in', values: ring('bytesIn', sum) }, { name: 'out', values: ring('bytesOut', sum) }]),
    chart('Records committed', perSecond, [{ values: ring('records', sum) }]),
    chart('Requests', perSecond, [{ values: ring('requests', sum) }]),
    chart('Commit', milliseconds, [
      { name: 'median', values: ring('commitMedian', most) }, { name: 'p99', values: ring('commitHigh', most) }]),
    chart('Produce, p99', milliseconds, [{ values: ring('produceHigh', most) }]),
    chart('Sync of the log, p99', milliseconds, [{ values: ring('syncHigh', most) }]),
    chart('Elections in 5 s', number, [{ values: ring('elections', sum) }]),
    chart('Errors in answers', perSecond, [{ values: ring('errors', sum) }]));
}

// ---- what there is

function health(cluster) {
  const down = cluster.nodes.filter(node => node.state === 'down');
  const silent = cluster.nodes.filter(node => node.state === 'silent');
  const troubled = cluster.nodes.filter(node => node.report && node.report.problem);
  const counts = cluster.partitions;
  const bad = [];
  const warn = [];
  if (cluster.controller < 0) bad.push('No controller is known: nothing can be created or changed.');
  if (down.length) bad.push(`Node ${down.map(node => node.id).join(', ')} cannot be reached.`);
  if (counts.leaderless) bad.push(plural(counts.leaderless, 'partition') + ' without a leader.');
  if (counts.underMinIsr) bad.push(plural(counts.underMinIsr, 'partition') + ' with too few replicas in sync to write with acks=all.');
  for (const node of troubled) warn.push(`Node ${node.id}: ${node.report.problem}.`);
  if (silent.length) warn.push(`Node ${silent.map(node => node.id).join(', ')} does not answer; its figures are missing.`);
  if (counts.underReplicated) warn.push(plural(counts.underReplicated, 'partition') + ' under-replicated.');
  const box = byId('health');
  box.className = bad.length ? 'bad' : warn.length ? 'warn' : '';
  const said = [...bad, ...warn];
  if (!said.length) {
    const [nodeCount, topicCount] = [plural(cluster.nodes.length, 'node'), plural(counts.topics, 'topic')];
    said.push(`All is well: ${nodeCount}, ${topicCount}, ${plural(counts.all, 'partition')}, all in sync.`);
  }
  if (counts.moving) said.push(plural(counts.moving, 'partition') + ' on the move.');
  box.replaceChildren(...said.map(text => element('p', {}, text)));
}

function disk(report) {
  const used = report.diskTotal - report.diskFree;
  const limits = { min: 0, max: report.diskTotal, value: used, high: report.diskTotal * 0.85 };
  return [element('meter', { ...limits, title: report.directory }), bytes(report.diskFree) + ' free'];
}

function nodes(cluster) {
  fill('nodes', cluster.nodes.map(node => {
    const report = node.report;
    const names = String(node.id) + (node.id === cluster.self ? ' (this)' : '');
    const kind = node.state === 'up' ? report.problem ? 'warn' : 'good' : node.state === 'down' ? 'bad' : 'warn';
    const why = node.why || (report && report.problem);
    return element('tr', { 'data-node': node.id, 'data-state': node.state },
      cell([names, node.id === cluster.controller ? soft(' controller') : '']),
      cell([element('span', { class: kind }, node.state), why ? soft(' ' + why) : ''], why ? 'wide' : null),
      cell([node.address, node.rack ? soft(' rack ' + node.rack) : '']),
      cell(report && report.leading, 'n'), cell(report && report.replicas, 'n'), cell(report && report.connections, 'n'),
      report ? cell(disk(report)) : cell('–'), cell(report ? bytes(report.walBytes) : '–', 'n'),
      cell(report ? milliseconds(last(report.samples.syncHigh)) : '–', 'n'),
      cell(report ? [duration(report.uptimeSeconds), soft(' ' + report.version)] : '–'));
  }), 10, 'No node has registered yet.');
}

function transfers(cluster) {
  const all = cluster.nodes.flatMap(node => ((node.report && node.report.transfers) || [])
    .filter(one => one.sending).map(one => ({ from: node.id, ...one })));
  byId('moves').hidden = !all.length;
  fill('transfers', all.map(one => element('tr', {},
    cell(one.partition, 'name'), cell('node ' + one.from), cell('node ' + one.peer),
    cell(one.waiting ? [soft('waits for its turn')]
      : [element('progress', { max: Math.max(1, one.total), value: one.done }), bytes(one.done) + ' of ' + bytes(one.total)]),
    cell(duration(one.remainingSeconds), 'n'))), 5, 'None.');
}

/** The replicas, the preferred leader first; those out of sync are struck through. */
function replicas(row) {
  return row.replicas.flatMap((id, i) => [i ? ' ' : '', row.isr.includes(id) ? id : element('s', { title: 'not in sync' }, id)]);
}

const troubles = {
  None: ['good', ''], Moving: ['soft', 'moving'], UnderReplicated: ['warn', 'under-replicated'], UnderMinIsr: ['bad', 'not writable'],
  Leaderless: ['bad', 'not available'],
};

function partitions(page) {
  fill('partitions', page.rows.map(row => {
    const led = row.led;
    const lag = led ? Math.max(0, ...led.followers.map(follower => follower.lag)) : null;
    const [kind, word] = troubles[row.trouble] || ['warn', row.trouble];
    const who = led ? led.followers.map(follower => `node ${follower.node}: ${follower.lag}`).join(', ') : null;
    return element('tr', { 'data-partition': `${row.topic}-${row.partition}`, 'data-trouble': row.trouble },
      cell([row.topic, soft('-' + row.partition)], 'name'),
      row.leader < 0 ? cell('none', 'bad') : cell(row.leader), cell(replicas(row)),
      element('td', { class: 'n', title: who }, led ? number(lag) : '–'), cell(led ? bytes(led.size) : '–', 'n'),
      element('td', { class: 'n', title: led ? `offsets ${led.start} to ${led.end}` : null }, led ? number(led.end - led.start) : '–'),
      cell([word ? element('span', { class: kind }, word) : '', row.why ? soft((word ? ' ' : '') + row.why) : ''], 'wide'));
  }), 7, 'No such partition.');
  pager('partition-query', 'partitions', page, loadPartitions);
}

function groups(page) {
  fill('groups', page.rows.map(row => element('tr', { 'data-group': row.id },
    cell(row.id, 'name'), cell(row.state), cell(row.members, 'n'), cell(number(row.lag), 'n'),
    cell(row.worstLag ? [row.worst, soft(' ' + number(row.worstLag))] : '–'),
    cell(row.partitions, 'n'), cell('node ' + row.coordinator))), 7, 'No such group.');
  pager('group-query', 'groups', page, loadGroups);
  const missing = byId('groups-missing');
  missing.hidden = !page.silent.length;
  missing.textContent = `Groups of node ${page.silent.join(', ')} are missing: it does not answer.`;
}

function pager(form, which, page, load) {
  const place = byId(form).querySelector('.pager');
  const first = page.rows.length ? page.offset + 1 : 0;
  const turn = (text, by, off) => {
    const button = element('button', { type: 'button', disabled: off, 'aria-label': by < 0 ? 'Before' : 'After' }, text);
    button.addEventListener('click', () => { state[which] = Math.max(0, state[which] + by); load(); });
    return button;
  };
  const [from, to, total] = [first, page.offset + page.rows.length, page.total].map(count => count.toLocaleString('en'));
  place.replaceChildren(`${from}–${to} of ${total}`,
    turn('‹', -rows, page.offset === 0), turn('›', rows, page.offset + page.rows.length >= page.total));
}

// ---- asking

async function ask(path) {
  const answer = await fetch(path, { cache: 'no-store' });
  if (!answer.ok) throw new Error(answer.status === 503 ? 'the node is starting' : 'the node says ' + answer.status);
  return answer.json();
}

function query(form, which) {
  const asked = new URLSearchParams(new FormData(byId(form)));
  asked.set('offset', state[which]);
  asked.set('limit', rows);
  return asked;
}

const latest = {};

/** Shows an answer unless a newer question was asked meanwhile. */
async function load(what, path, show) {
  const turn = latest[what] = (latest[what] || 0) + 1;
  const answer = await ask(path);
  if (latest[what] === turn) show(answer);
}

const loadPartitions = () => load('partitions', '/page/partitions?' + query('partition-query', 'partitions'), partitions);
const loadGroups = () => load('groups', '/page/groups?' + query('group-query', 'groups'), groups);
const loadCluster = () => load('cluster', '/page/cluster', cluster => {
  byId('cluster').textContent = `cluster ${cluster.clusterId}, seen by node ${cluster.self}`;
  document.title = 'Chronik, node ' + cluster.self;
  health(cluster);
  charts(cluster.nodes);
  nodes(cluster);
  transfers(cluster);
});

let goodAt = null;

async function refresh() {
  const failed = (await Promise.allSettled([loadCluster(), loadPartitions(), loadGroups()])).find(one => one.status === 'rejected');
  const note = byId('freshness');
  if (!failed) goodAt = new Date();
  note.className = failed ? 'late' : '';
  note.textContent = failed
    ? `no answer: ${failed.reason.message}` + (goodAt ? `; as of ${goodAt.toLocaleTimeString()}` : '')
    : `as of ${goodAt.toLocaleTimeString()}`;
  document.body.dataset.loaded = failed ? 'failed' : 'yes';
  setTimeout(refresh, document.hidden ? 6 * interval : interval);
}

const queries = [['partition-query', 'partitions', loadPartitions], ['group-query', 'groups', loadGroups]];
for (const [form, which, reload] of queries) {
  let waiting;
  const again = () => {
    state[which] = 0;
    clearTimeout(waiting);
    waiting = setTimeout(() => reload().catch(() => { }), 200); // Whatever failed, the next refresh says so.
  };
  byId(form).addEventListener('input', again);
  byId(form).addEventListener('submit', event => { event.preventDefault(); again(); });
}

refresh();
