"""Where tissue maps come from: qMRI on disk, label maps with tissue priors, the embedded heads."""
