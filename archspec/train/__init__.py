"""The trainer: fits any network on any folder of pictures; the only package that needs torch.

Read it in the order of the data: `folder` and `demo` find pictures, `decode` and `cache` make them
`pictures`, `split` keeps a tenth apart, `plan` says what an epoch shows, `feeder` cuts it out,
`outputs` says what the loss is given, `fit` trains, `run_folder` keeps what came of it.
"""
