import {html, type Html} from './html.js';
import {numeral} from './scale.js';

export interface TableOptions {
  columns: readonly string[];
  /** Texts stand on the left, numbers on the right. */
  rows: readonly (readonly (string | number | null)[])[];
}

/** A table that scrolls within itself where the page is narrow. */
export function table({columns, rows}: TableOptions): Html {
  return html`<div class="scroll" tabindex="0">
    <table>
      <thead>
        <tr>
          ${columns.map((name) => html`<th scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map(cell)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function cell(value: string | number | null): Html {
  if (typeof value === 'string') return html`<td>${value}</td>`;
  return html`<td class="number">${value === null ? '' : numeral(value)}</td>`;
}
