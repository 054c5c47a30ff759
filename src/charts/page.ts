import {html, Html} from './html.js';
import {STYLE} from './style.js';
import {table, type TableOptions} from './table.js';

/** A picture, what it shows, and the numbers in it. */
export interface Figure {
  title: string;
  /** Explains the numbers: their units, and over what they are means. */
  caption: string;
  picture: Html;
  numbers: TableOptions;
}

export interface PageOptions {
  title: string;
  /** A line under the title. */
  subtitle: string;
  /** The most important numbers, in one table. */
  summary: TableOptions;
  figures: readonly Figure[];
}

/**
 * A whole HTML document that needs nothing else: no script, no request (its own policy forbids them), light or dark as
 * the reader has it, from a phone's width on.
 */
export function page({title, subtitle, summary, figures}: PageOptions): string {
  const body = html`<header>
      <h1>${title}</h1>
      <p>${subtitle}</p>
    </header>
    <main>
      ${table(summary)}
      <div class="figures">
        ${figures.map(
          (figure) =>
            html`<figure>
              <h2>${figure.title}</h2>
              ${figure.picture}
              <figcaption>${figure.caption}</figcaption>
              <details>
                <summary>Numbers</summary>
                ${table(figure.numbers)}
              </details>
            </figure>`,
        )}
      </div>
    </main>`;
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html>`;
  return `${document.markup}\n`;
}
