"""The keys that the contract gives an item of the worklist."""

CONTRACT = (
    "study_instance_uid accession_number patient_id patient_name modality study_description state "
    "priority priority_reason findings model refusal error received_at reported_at wait_s "
    "assessment viewer_url report images"
).split()
