/**
 * A doubly linked list whose links live in its members: any member leaves in one step, and a list
 * costs nothing but its two ends. A member is in one list at a time.
 */

export interface Links<Member> {
  previous: Member | null;
  next: Member | null;
}

export interface LinkedList<Member> {
  head: Member | null;
  tail: Member | null;
  size: number;
}

export function createList<Member>(): LinkedList<Member> {
  return { head: null, tail: null, size: 0 };
}

export function append<Member extends Links<Member>>(
  list: LinkedList<Member>,
  member: Member,
): void {
  member.previous = list.tail;
  member.next = null;
  if (list.tail === null) list.head = member;
  else list.tail.next = member;
  list.tail = member;
  list.size += 1;
}

export function prepend<Member extends Links<Member>>(
  list: LinkedList<Member>,
  member: Member,
): void {
  member.previous = null;
  member.next = list.head;
  if (list.head === null) list.tail = member;
  else list.head.previous = member;
  list.head = member;
  list.size += 1;
}

export function unlink<Member extends Links<Member>>(
  list: LinkedList<Member>,
  member: Member,
): void {
  if (member.previous === null) list.head = member.next;
  else member.previous.next = member.next;
  if (member.next === null) list.tail = member.previous;
  else member.next.previous = member.previous;
  member.previous = null;
  member.next = null;
  list.size -= 1;
}
