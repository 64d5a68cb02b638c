/** Money as decimal text, reckoned in whole numbers: a float would round it. */

/** What an amount is worth at a rate, to the cent, half a cent upwards. */
export function times(amount: string, rate: string): string {
  const [one, two] = [scaled(amount), scaled(rate)];
  const unit = 10n ** BigInt(one.places + two.places);
  return textOf((one.digits * two.digits * 100n + unit / 2n) / unit);
}

/** @param amount - with at most two decimals */
export function centsOf(amount: string): bigint {
  const { digits, places } = scaled(amount);
  return digits * 10n ** BigInt(2 - places);
}

export function textOf(cents: bigint): string {
  const text = String(cents).padStart(3, '0');
  return `${text.slice(0, -2)}.${text.slice(-2)}`;
}

interface Scaled {
  readonly digits: bigint;
  /** How many of them stand after the point. */
  readonly places: number;
}

function scaled(text: string): Scaled {
  const [whole = '', fraction = ''] = text.split('.');
  return { digits: BigInt(whole + fraction), places: fraction.length };
}
