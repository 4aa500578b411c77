#!/usr/bin/env node
import { type Command, type CommandGroup, explain, usageOf } from './command.ts';
import { eventsCommands } from './events.ts';
import { keysCommands } from './keys.ts';
import { migrateCommand } from './migrate.ts';
import { openapiCommand } from './openapi.ts';
import { pricesCommand } from './prices.ts';
import { reconcileCommand } from './reconcile.ts';
import { serveCommand } from './serve.ts';
import { simulateCommand } from './simulate.ts';
import { tokenCommand } from './token.ts';
import { topUpsCommands } from './top-ups.ts';
import { usersCommands } from './users.ts';
import { verifyCommand } from './verify.ts';
import { webhooksCommands } from './webhooks.ts';

const COMMANDS: Readonly<Record<string, Command | CommandGroup>> = {
  serve: serveCommand,
  migrate: migrateCommand,
  verify: verifyCommand,
  events: eventsCommands,
  keys: keysCommands,
  users: usersCommands,
  'top-ups': topUpsCommands,
  webhooks: webhooksCommands,
  reconcile: reconcileCommand,
  prices: pricesCommand,
  token: tokenCommand,
  simulate: simulateCommand,
  openapi: openapiCommand,
};

const [name, ...args] = process.argv.slice(2);
const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;

if (command) {
  process.exitCode = await explain(command, args, name);
} else {
  const asked = name === undefined || ['help', '--help', '-h'].includes(name);
  if (!asked) console.error(`purser: there is no command "${name}".\n`);
  console[asked ? 'log' : 'error'](usageOf('purser', COMMANDS));
  process.exitCode = asked ? 0 : 2;
}
