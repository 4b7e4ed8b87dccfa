// What scripts/browser hands over by variables, and the packages that it installed.
import { createRequire } from 'node:module';

function variable(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start the tests with scripts/browser`);
  return value;
}

export const environment = {
  /** The program under test. */
  program: variable('PROGRAM'),
  /** The example `backends` of the crate registry-testing. */
  backends: variable('BACKENDS'),
  chromium: variable('CHROMIUM'),
  /** Directory for logs and configurations. */
  scratch: variable('SCRATCH'),
};

// The packages lie below target/, where an import by name would not look.
const packages = createRequire(`${variable('PACKAGES')}/package.json`);
export const { chromium } = packages('playwright-core');
export const axeSource = packages('axe-core').source;
