#!/usr/bin/env -S npx tsx
// The command line from the sources, without a build: npx tsx bin/dev.js convert …
import {runCli} from '../src/ui/run-cli.ts';

await runCli(import.meta.url);
