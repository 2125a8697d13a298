/** Standard errors at `x`: of the value, a number or one for each output, and of the gradient, shaped as it is. */
function standardErrors(x) {
  const inputs = checked(x).map((entry, i) => entry - X_SHIFT[i]);
  const { slopes, bends } = forward(checked(x));
  const ofInputs = identity(X_SHIFT.length);
  const value = BIASES.at(-1).map(() => 0), gradient = value.map(() => X_SHIFT.map(() => 0));
  for (const change of DIRECTIONS) {
    // Of every layer: the nodes, their tangents along the inputs, and how both change along the direction.
    let nodes = inputs, tangents = ofInputs, moved = inputs.map(() => 0), bent = ofInputs.map((row) => row.map(() => 0));
    WEIGHTS.forEach((weight, layer) => {
      const towards = change.weights[layer];
      let sums = times(weight, nodes), sumTangents = matrixTimes(weight, tangents);
      let movedSums = plus(plus(times(towards, nodes), change.biases[layer]), times(weight, moved));
      let bentSums = rowsPlus(matrixTimes(towards, tangents), matrixTimes(weight, bent));
      if (SKIP && layer === SKIP_LAYER) {
        sums = plus(sums, times(SKIP, inputs));
        sumTangents = rowsPlus(sumTangents, SKIP);
        movedSums = plus(movedSums, times(change.skip, inputs));
        bentSums = rowsPlus(bentSums, change.skip);
      }
      nodes = plus(sums, BIASES[layer]);
      if (layer < ACTIVATIONS.length) {
        const slope = slopes[layer], bend = bends[layer];
        ACTIVATIONS[layer](nodes, slope, bend);
        bentSums = bentSums.map((row, node) =>
          row.map((entry, i) => slope[node] * entry + bend[node] * movedSums[node] * sumTangents[node][i]));
        sumTangents = sumTangents.map((row, node) => row.map((entry) => slope[node] * entry));
        movedSums = movedSums.map((entry, node) => slope[node] * entry);
      }
      [tangents, moved, bent] = [sumTangents, movedSums, bentSums];
    });
    moved.forEach((entry, output) => { value[output] += entry * entry; });
    bent.forEach((row, output) => row.forEach((entry, i) => { gradient[output][i] += entry * entry; }));
  }
  return {
    value: squeezed(value.map((square, output) => FACTORS[0][output] * Math.sqrt(square))),
    gradient: squeezed(gradient.map((row, output) => row.map((square) => FACTORS[1][output] * Math.sqrt(square)))),
  };
}

function matrixTimes(matrix, rows) {
  return matrix.map((row) => rowTimes(row, rows));
}

function rowsPlus(one, other) {
  return one.map((row, i) => plus(row, other[i]));
}
