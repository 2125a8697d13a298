#!/bin/sh
# From somebody's ONNX file to a certified C header. `price.onnx` was trained and written by scikit-learn
# (make_network.py): the price of a call over its strike, for the forward over the strike (0.6 to 1.5) and the
# volatility times the square root of the time (0.1 to 0.5). Run it in this folder, the package installed.
set -e
mkdir -p out

# Can it be read, and how good is it?
sobolev-pruning evaluate price.onnx --data quotes.csv --x forward,deviation --y price

# Which of its nodes matter?
sobolev-pruning significance price.onnx --box 0.6:1.5,0.1:0.5 -o out/significance.csv

# The smallest network that is as good as asked for, in values, first and second derivatives.
sobolev-pruning shrink price.onnx --box 0.6:1.5,0.1:0.5 --tolerance value=0.9999,delta=0.999,hessian=0.98 -o out/small.safetensors

# By how much does it differ from the original, at points and at most?
sobolev-pruning compare price.onnx out/small.safetensors --box 0.6:1.5,0.1:0.5 --order 0

# What is certain about it where it will be used: no negative price, rising in both inputs, gamma not far below zero.
# (Over the whole box the first two are refuted, and the certificate shows where.)
sobolev-pruning certify out/small.safetensors --box 0.8:1.5,0.15:0.5 --claims "value >= 0; increasing; gamma >= -0.7" -o out/certificate.json
sobolev-pruning check out/certificate.json out/small.safetensors

# To where it is used: one header without dependencies, which checks the range of its inputs.
sobolev-pruning export out/small.safetensors --to c --box 0.8:1.5,0.15:0.5 -o out/surrogate.h
c++ -O3 -I out price.cpp -o out/price
out/price
