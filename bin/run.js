#!/usr/bin/env node
import {runCli} from '../dist/ui/run-cli.js';

await runCli(import.meta.url);
