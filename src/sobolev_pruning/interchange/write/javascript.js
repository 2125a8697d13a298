/** The value at the point `x`, an array of numbers: a number, or one for each output. */
function value(x) {
  return squeezed(forward(checked(x)).nodes);
}

/** First derivatives at `x`: one for each input, or of each output by each input. */
function gradient(x) {
  const { slopes } = forward(checked(x));
  return squeezed(BIASES.at(-1).map((_, output) => adjoints(output, slopes)[0]));
}

/** Second derivatives at `x`: a row for each input, or such a matrix for each output. */
function hessian(x) {
  const { slopes, bends } = forward(checked(x));
  const tangents = tangentsOf(identity(X_SHIFT.length), slopes);
  return squeezed(BIASES.at(-1).map((_, output) => {
    const back = adjoints(output, slopes);
    const total = X_SHIFT.map(() => X_SHIFT.map(() => 0));
    tangents.forEach((tangent, layer) => tangent.forEach((row, node) => {
      const bend = back[layer + 1][node] * bends[layer][node];
      for (let i = 0; i < row.length; ++i) {
        for (let j = 0; j < row.length; ++j) total[i][j] += row[i] * (bend * row[j]);
      }
    }));
    return total;
  }));
}

/** The Hessian at `x` times `direction`: one number for each input, or such a row for each output. */
function hvp(x, direction) {
  const { slopes, bends } = forward(checked(x));
  const tangents = tangentsOf(checked(direction).map((entry) => [entry]), slopes);
  return squeezed(BIASES.at(-1).map((_, output) => {
    const back = adjoints(output, slopes);
    let change = new Array(WEIGHTS.at(-1)[0].length).fill(0);
    let beside = null;
    for (let layer = slopes.length - 1; layer >= 0; --layer) {
      change = change.map((entry, node) =>
        entry * slopes[layer][node] + back[layer + 1][node] * (bends[layer][node] * tangents[layer][node][0]));
      if (SKIP && layer === SKIP_LAYER) beside = rowTimes(change, SKIP);
      change = rowTimes(change, WEIGHTS[layer]);
    }
    return beside ? plus(change, beside) : change;
  }));
}

/** Whether `x` lies in the box it was trained for; null where that is not known. */
function inRange(x) {
  return BOX && checked(x).every((entry, i) => BOX[0][i] <= entry && entry <= BOX[1][i]);
}

function checked(x) {
  if (x?.length !== X_SHIFT.length) throw new RangeError(`A point has ${X_SHIFT.length} numbers; ${x?.length} were given.`);
  return Array.from(x, Number);
}

function squeezed(outputs) {
  return SCALAR_OUTPUT ? outputs[0] : outputs;
}

function forward(x) {
  const inputs = x.map((entry, i) => entry - X_SHIFT[i]);
  const slopes = [], bends = [];
  let nodes = inputs;
  WEIGHTS.forEach((weight, layer) => {
    nodes = plus(times(weight, nodes), BIASES[layer]);
    if (SKIP && layer === SKIP_LAYER) nodes = plus(nodes, times(SKIP, inputs));
    if (layer < ACTIVATIONS.length) {
      slopes.push(new Array(nodes.length).fill(0));
      bends.push(new Array(nodes.length).fill(0));
      ACTIVATIONS[layer](nodes, slopes[layer], bends[layer]);
    }
  });
  return { nodes, slopes, bends };
}

/** Derivatives of an output by the inputs, and by what every hidden layer gives. */
function adjoints(output, slopes) {
  const found = [WEIGHTS.at(-1)[output]];
  let beside = SKIP && SKIP_LAYER === slopes.length ? SKIP[output] : null;
  for (let layer = slopes.length - 1; layer >= 0; --layer) {
    const before = found[0].map((entry, node) => entry * slopes[layer][node]);
    if (SKIP && layer === SKIP_LAYER) beside = rowTimes(before, SKIP);
    found.unshift(rowTimes(before, WEIGHTS[layer]));
  }
  if (beside) found[0] = plus(found[0], beside);
  return found;
}

/** How the sums of every hidden layer change along the columns of `directions`. */
function tangentsOf(directions, slopes) {
  const found = [];
  let tangents = directions;
  slopes.forEach((slope, layer) => {
    tangents = WEIGHTS[layer].map((row) => rowTimes(row, tangents));
    if (SKIP && layer === SKIP_LAYER) tangents = tangents.map((row, node) => plus(row, rowTimes(SKIP[node], directions)));
    found.push(tangents);
    tangents = tangents.map((row, node) => row.map((entry) => slope[node] * entry));
  });
  return found;
}

function times(matrix, vector) {
  return matrix.map((row) => {
    let sum = 0;
    for (let i = 0; i < row.length; ++i) sum += row[i] * vector[i];
    return sum;
  });
}

function rowTimes(vector, matrix) {
  const sums = new Array(matrix[0].length).fill(0);
  for (let node = 0; node < vector.length; ++node) {
    const row = matrix[node], factor = vector[node];
    for (let i = 0; i < row.length; ++i) sums[i] += factor * row[i];
  }
  return sums;
}

function plus(one, other) {
  return one.map((entry, i) => entry + other[i]);
}

function identity(size) {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)));
}

function sigmoid(x) {
  const small = Math.exp(-Math.abs(x));
  return (x > 0 ? 1 : small) / (1 + small);
}
