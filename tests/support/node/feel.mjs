// Reads {dmn, tables: {id: {pools: {variable: [value]}, sets: [[index]]}}} and answers, by feelin alone, which rules of
// the DMN document's tables match: {warnings, tables: {id: {rules, hitPolicy, cells: {variable: [[0|1]]}, fired}}}.
import { readFileSync } from 'node:fs';
import { DmnModdle } from 'dmn-moddle';
import { evaluate, unaryTest } from 'feelin';

const asked = JSON.parse(readFileSync(0, 'utf8'));
const { rootElement, warnings } = await new DmnModdle().fromXML(asked.dmn, 'dmn:Definitions');
const known = new Map(rootElement.drgElement.map(element => [element.id, element]));
const tests = new Map();

function fits(cell, value) {
  const key = cell + '\u0000' + JSON.stringify(value);
  if (!tests.has(key)) tests.set(key, unaryTest(cell, { '?': value }).value === true);
  return tests.get(key);
}

const tables = {};
for (const [id, { pools, sets }] of Object.entries(asked.tables)) {
  const { decisionLogic: table, informationRequirement: needs } = known.get(id);
  const variables = needs.map(need => known.get((need.requiredInput ?? need.requiredDecision).href.slice(1)).variable.name);
  const names = new RegExp(`\\b(${variables.join('|')})\\b`);
  const clauses = Object.fromEntries(variables.map(name => [name, []]));
  table.input.forEach((input, column) => clauses[names.exec(input.inputExpression.text)[1]].push([input, column]));
  const truths = variables.map(name => pools[name].map(value => {
    const read = clauses[name].map(([input, column]) => [
      evaluate(input.inputExpression.text, { [name]: value }).value, column,
    ]);
    return table.rule.map(rule => read.every(([value, column]) => fits(rule.inputEntry[column].text, value)));
  }));
  const rows = table.rule.map((_, number) => number);
  const fired = sets.map(set => rows.filter(row => set.every((index, column) => truths[column][index][row])));
  tables[id] = {
    rules: table.rule.map(rule => rule.id),
    hitPolicy: table.hitPolicy,
    cells: Object.fromEntries(variables.map((name, column) => [name, truths[column].map(row => row.map(Number))])),
    fired,
  };
}
process.stdout.write(JSON.stringify({ warnings: warnings.map(String), tables }));
