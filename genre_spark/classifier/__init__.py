"""From labelled tracks to a fitted, calibrated network and its ONNX export."""
