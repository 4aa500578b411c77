/** Rows below each other, columns as wide as their widest cell, for a terminal. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, i) =>
    Math.max(...cells.map((row) => row[i]?.length ?? 0)),
  );
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A text from elsewhere must not move the cursor or colour the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '');
}
