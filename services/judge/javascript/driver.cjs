/**
 * Runs one JavaScript program once: `node driver.cjs compile | stdio | call | check`, then the program's arguments, the source at descriptor 200.
 *
 * Everything here shares a process with the program, so nothing it says is believed: how the process ended is observed
 * from outside, and the report on descriptor 3 carries only what the program could say anyway.
 */
'use strict';
const fs = require('node:fs');
const Module = require('node:module');
const assert = require('node:assert');

const name = '/tmp/main.js';
const [kept, reportTo, payloadFrom] = [200, 3, 4];
const mostFrames = 3;
const mostMessage = 2000;
const kind = process.argv[2];
const { parse, stringify } = JSON;

const source = readSource();
process.argv = [process.argv[0], name, ...process.argv.slice(3)];
process.execArgv = [];

if (kind === 'compile') compile();
else run();

/** The source, whatever position an earlier reader left its file at. */
function readSource() {
  const bytes = Buffer.alloc(fs.fstatSync(kept).size);
  let read = 0;
  while (read < bytes.length) read += fs.readSync(kept, bytes, read, bytes.length - read, read);
  fs.closeSync(kept);
  return bytes.toString();
}

/** Says what is wrong with the program, if anything, as JSON and by the exit code. */
function compile() {
  try {
    new (require('node:vm').Script)(Module.wrap(source), { filename: name });
  } catch (error) {
    const { type, message, lines } = describe(error, 'program');
    process.stdout.write(stringify({ type, message, lines }));
    process.exitCode = 1;
  }
}

function run() {
  let stage = 'program';
  // Otherwise what a full pipe does not take is kept in memory, and lost by process.exit().
  for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);
  process.on('uncaughtExceptionMonitor', (error) => send(describe(error, stage)));
  if (kind !== 'stdio') globalThis.assert = assert;
  const module = new Module(name, null);
  Object.assign(module, { filename: name, paths: [] });
  process.mainModule = module;
  // Names of the program are found by eval in its own scope, top-level constants and classes included.
  const tail = kind === 'stdio' ? '' : '\n;module.reach = (code) => eval(code);';
  module._compile(source + tail, name);
  if (kind === 'stdio') return;
  const evaluate = module.reach;
  const payload = fs.readFileSync(payloadFrom, 'utf8');
  if (kind === 'call') call(evaluate, parse(payload));
  else {
    stage = 'check';
    const end = payload.indexOf('\n');
    evaluate(payload.slice(end + 1));
    send({ token: payload.slice(0, end) });
  }
}

/** Calls the function that the payload names, waits for what it promises, and reports it. */
async function call(evaluate, { function: wanted, arguments: given }) {
  const found = find(evaluate, wanted);
  const result = await found(...given);
  let text;
  try {
    text = stringify(result);
  } catch {
    text = undefined;
  }
  send(text === undefined ? { unspeakable: String(result).slice(0, mostMessage) } : { result: text });
}

function find(evaluate, wanted) {
  const isName = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(wanted);
  const value = (code) => {
    try {
      return evaluate(code);
    } catch {
      return undefined;
    }
  };
  const found = isName ? value(wanted) : undefined;
  if (typeof found === 'function') return found;
  const Solution = value('Solution');
  const solution = typeof Solution === 'function' ? new Solution() : undefined;
  if (typeof solution?.[wanted] === 'function') return (...given) => solution[wanted](...given);
  const exported = value('module.exports')?.[wanted];
  if (typeof exported === 'function') return exported;
  throw new ReferenceError(`the program defines no function ${wanted}`);
}

/** An exception for the feedback: its type, its message, and the last lines of the program on its way. */
function describe(error, stage) {
  const isError = error instanceof Error;
  const stack = isError && typeof error.stack === 'string' ? error.stack : '';
  const own = source.split('\n').length; // what follows is the driver's
  const lines = [...stack.matchAll(/\/tmp\/main\.js:(\d+)/g)]
    .map(([, line]) => Number(line))
    .filter((line) => line <= own);
  const checked = stage === 'check' ? /<anonymous>:(\d+):\d+/.exec(stack) : null;
  return {
    stage,
    type: isError ? String(error.name) : '',
    message: (isError ? String(error.message) : `Uncaught ${String(error)}`).slice(0, mostMessage),
    // The innermost comes first in a stack, and last in a report.
    lines: lines.slice(0, mostFrames).reverse(),
    checkLines: checked === null ? [] : [Number(checked[1])],
    assertion: error?.code === 'ERR_ASSERTION',
    memory: false,
  };
}

function send(report) {
  try {
    fs.writeSync(reportTo, stringify(report));
  } catch {
    // The program closed the descriptor: it has nothing to say.
  }
}
