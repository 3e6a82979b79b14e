"""Where voxels are: crops, flips, affine and elastic warps, and which voxel of one view is which of the other."""
