import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Tests keep tokens in a folder of their own, which goes with them; command lines that they run inherit it. */
const folder = mkdtempSync(join(tmpdir(), 'ztt-test-cache-'));
process.env.ZTT_CACHE = folder;
process.on('exit', () => rmSync(folder, {recursive: true, force: true}));
