-- Health of Nagaya's kinds for Argo CD: put it into the ConfigMap argocd-cm under
-- resource.customizations.health.nagaya.dev_TenantCluster and resource.customizations.health.nagaya.dev_JoinToken.
--
-- It says what kstatus says. A Ready that is not True is Progressing and not Degraded, because Argo CD fails a sync
-- at Degraded, and a cluster that is being made is not Ready for a while.

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "is being deleted" }
end

local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "waits for Nagaya to look at it" }
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(kind, wanted)
  return conditions[kind] ~= nil and conditions[kind].status == wanted
end

local function says(health, kind)
  return { status = health, message = conditions[kind].reason .. ": " .. conditions[kind].message }
end

if is("Stalled", "True") then
  return says("Degraded", "Stalled")
end
if is("Reconciling", "True") then
  return says("Progressing", "Reconciling")
end

if obj.kind == "JoinToken" then
  -- Its life is over; nothing is wrong, and nothing more will happen.
  if status.state == "Expired" then
    return says("Suspended", "Issued")
  end
  return says("Healthy", "Issued")
end

if obj.spec.paused then
  return { status = "Suspended", message = "nothing is applied while spec.paused is true" }
end
if is("Ready", "True") then
  return says("Healthy", "Ready")
end
if conditions.Ready ~= nil then
  return says("Progressing", "Ready")
end
return { status = "Progressing", message = "waits for Nagaya to look at it" }
