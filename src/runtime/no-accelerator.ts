/** Imported before msgpackr, which reads this while it loads and would else look for a native addon. */
process.env["MSGPACKR_NATIVE_ACCELERATION_DISABLED"] = "true"
