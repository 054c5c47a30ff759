#!/usr/bin/env -S npx tsx
// The command line from the sources, without a build: npx tsx bin/dev.js convert …
import {compile} from '../scripts/compile.mjs';
import {runCli} from '../src/ui/run-cli.ts';

// Threads and forked processes run what is compiled.
await compile();
await runCli(import.meta.url);
