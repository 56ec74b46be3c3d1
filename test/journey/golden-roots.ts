/**
 * The roots over the rows that the journey leaves. Trap: what was committed of rows is in logs for ever. Where a handler makes other rows of
 * the same log, its projection gets a new version, and then its new root stands here. A journey that was itself changed gives other roots of
 * the versions that there are. It submits no evidence: that root is the one of no rows.
 */
export const goldenRoots: readonly (readonly [projection: string, root: string])[] = [
  ["commands-seen 1", "tToi7XLcvF0RHX2TJVD8s7dsFH9P1TKjtaZJ8GBx3q8"],
  ["evidence 1", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"],
  ["log-tree 1", "74le_hThzsPMcDoCSYHl5iehb0WusCl__wwriH63NVA"],
  ["membership 1", "OK1eAUqevLoT2q3LzO1Lxf0lPJiyxM8xpmJQ0XZO2O4"],
  ["tasks 1", "ogGaC0UFfZ98n8nIi-t5yGgB5cdIE5t2p70YMtL39_A"],
  ["timers 1", "jiVhxCQTOE-2G6nPJQKx-QqyAZqD6gCL39m4QTSzjoA"],
  ["voting 1", "FGc73HeNz3ddPRXJIKT_3y98hpl3BjOmS3BDq0yxD4c"],
  ["vouches 1", "02OQn6oAzaxjpUy58E_FieZHO5Oly7n5hsbQuvhPN9w"],
];
