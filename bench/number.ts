/** How figures are written: three digits, or whole with commas. */

export function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  if (value === 0) return '0';
  return value.toPrecision(3).replace(/\.?0+$/, '');
}
