"""What a person sees of a trained network: who is taken for whom, feature maps, kernels, heat."""
