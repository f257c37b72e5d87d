/** Moves `teacher` in place towards `student`: teacher <- teacher + rate (student - teacher), rate in [0, 1], in float32. */
export function moveTowards(teacher: Float32Array, student: Float32Array, rate: number): void {
  if (teacher.length !== student.length)
    throw new RangeError(`The teacher has ${teacher.length} weights, the student ${student.length}.`);
  if (rate === 1) {
    // Exact, where the rounded difference need not be.
    teacher.set(student);
    return;
  }
  for (let i = 0; i < teacher.length; i++) {
    const old = teacher[i] ?? 0;
    teacher[i] = old + rate * ((student[i] ?? 0) - old);
  }
}
