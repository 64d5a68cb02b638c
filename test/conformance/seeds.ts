/** Seeds of the cases in which chance decides: three, or twenty with MALOTE_SEEDS=all. */

const count = process.env['MALOTE_SEEDS'] === 'all' ? 20 : 3;

export const seeds: readonly number[] = Array.from({ length: count }, (_, index) => index + 1);
