/** Distances on the ground and speeds along a track. Coordinates are decimal strings of degrees (WGS 84). */
import type { TrackPoint } from "../../event-schemas/tasks.ts";

export type Point = { readonly lat: string; readonly lon: string };

/** The mean radius of the earth (IUGG, R1). */
const earthRadiusMeters = 6_371_008.8;

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/** Along a great circle. The haversine form stays exact for points that are close to each other. */
export function metersBetween(a: Point, b: Point): number {
  const [latA, lonA, latB, lonB] = [a.lat, a.lon, b.lat, b.lon].map((degrees) => radians(Number(degrees))) as [
    number,
    number,
    number,
    number,
  ];
  const h = Math.sin((latB - latA) / 2) ** 2 + Math.cos(latA) * Math.cos(latB) * Math.sin((lonB - lonA) / 2) ** 2;
  // Trap: between opposite points rounding takes `h` above 1, where there is no arc.
  return 2 * earthRadiusMeters * Math.asin(Math.sqrt(Math.min(1, h)));
}

/** 0, 0 is what devices tell that do not know where they are. */
export const isOnEarth = ({ lat, lon }: Point) =>
  Math.abs(Number(lat)) <= 90 && Math.abs(Number(lon)) <= 180 && (Number(lat) !== 0 || Number(lon) !== 0);

/** The first point that is not later than the one before it; undefined where times rise strictly. */
export function firstOutOfOrder(track: readonly Pick<TrackPoint, "at">[]): number | undefined {
  const index = track.findIndex(({ at }, n) => n > 0 && at <= track[n - 1]!.at);
  return index < 0 ? undefined : index;
}

/** Whether some leg was faster than this. Times rise strictly. */
export const exceeds = (track: readonly TrackPoint[], metersPerSecondMax: number): boolean =>
  track.some((point, n) => {
    if (n === 0) return false;
    const before = track[n - 1]!;
    return metersBetween(before, point) * 1_000 > metersPerSecondMax * (Date.parse(point.at) - Date.parse(before.at));
  });
