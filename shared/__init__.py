"""The domain of Customer Memory and its adapters. Imports neither `api` nor `worker`."""
