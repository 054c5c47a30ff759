import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';

/** A browser to open pages in, if the machine has one. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path),
);

/**
 * Opens a page in a frame of a phone's width.
 * @param frame - where to write the page that frames it
 * @returns the width that its content takes, and what the browser said
 */
export async function openAsPhone(page: string, frame: string): Promise<{width: number; log: string}> {
  // The width that the content takes is told by the page that frames it.
  await writeFile(
    frame,
    `<iframe src="${pathToFileURL(page).href}" width="360" height="800"></iframe><script>` +
      `onload = () => { document.title = document.querySelector('iframe').contentDocument.documentElement.scrollWidth }</script>`,
  );
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--enable-logging=stderr',
    '--virtual-time-budget=2000',
  ];
  const {stdout, stderr} = await promisify(execFile)(
    CHROMIUM!,
    [...flags, '--allow-file-access-from-files', '--dump-dom', pathToFileURL(frame).href],
    {timeout: 60_000},
  );
  return {width: Number(/<title>(\d+)<\/title>/.exec(stdout)?.[1]), log: stderr};
}
